/* Stands in for a v4l2loopback device, loaded with LD_PRELOAD: the file named by STAND_IN_DEVICE answers the
   ioctls that the v4l2 muxer asks (formats other than STAND_IN_FORMAT are refused) and keeps what is written.
   Requests are noted in STAND_IN_LOG. STAND_IN_BUSY makes setting the format fail as a device in use does. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <linux/videodev2.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int is_device(int descriptor) {
    struct stat ours, its;
    const char *path = getenv("STAND_IN_DEVICE");
    return path && !stat(path, &ours) && !fstat(descriptor, &its) && ours.st_ino == its.st_ino &&
           ours.st_dev == its.st_dev;
}

static void note(const char *text, unsigned a, unsigned b, unsigned c) {
    FILE *log = fopen(getenv("STAND_IN_LOG"), "a");
    fprintf(log, "%s %u %u %u\n", text, a, b, c);
    fclose(log);
}

int ioctl(int descriptor, unsigned long request, ...) {
    va_list list;
    va_start(list, request);
    void *argument = va_arg(list, void *);
    va_end(list);
    if (!is_device(descriptor)) {
        int (*next)(int, unsigned long, ...) = dlsym(RTLD_NEXT, "ioctl");
        return next(descriptor, request, argument);
    }
    request &= 0xffffffffUL;
    if (request == VIDIOC_S_PARM) {
        struct v4l2_streamparm *p = argument;
        note("S_PARM", p->type, p->parm.output.timeperframe.numerator, p->parm.output.timeperframe.denominator);
        return 0;
    }
    if (request == VIDIOC_G_FMT) return 0;
    if (request == VIDIOC_S_FMT) {
        struct v4l2_format *f = argument;
        if (getenv("STAND_IN_BUSY")) {
            errno = EBUSY;
            return -1;
        }
        const char *only = getenv("STAND_IN_FORMAT");
        char fourcc[5] = {0};
        memcpy(fourcc, &f->fmt.pix.pixelformat, 4);
        note(fourcc, f->fmt.pix.width, f->fmt.pix.height, f->fmt.pix.sizeimage);
        if (only && strcmp(only, fourcc)) {
            errno = EINVAL;
            return -1;
        }
        return 0;
    }
    errno = ENOTTY;
    return -1;
}
