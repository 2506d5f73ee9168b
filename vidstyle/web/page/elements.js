// The page's elements: found, made, filled.

export const byId = (id) => document.getElementById(id);

/** An element with properties and children; text is only ever set as text. */
export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

/** Part of a slider that lies behind its thumb, for the style sheet, and its value in words, for those who hear it. */
export function fill(slider, text) {
  const share = (slider.value - slider.min) / (slider.max - slider.min || 1);
  slider.style.setProperty("--fill", `${100 * share}%`);
  slider.setAttribute("aria-valuetext", text);
}
