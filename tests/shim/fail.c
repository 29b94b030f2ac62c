/* Makes one call of a program on the files of a folder fail, or every call from one on, and counts them. Preloaded (LD_PRELOAD).
 *
 * FAIL_FOLDER: the folder, as the program is going to name it; several with ':' between.
 * FAIL_CONTROL: a file of 16 numbers of 8 bytes, in this machine's order, that the test writes and reads while the program runs:
 *
 *    0  which kinds of calls count: the sum of 1 write, 2 sync, 4 rename, 8 allocate and truncate, 16 create, 32 copy
 *    1  from which one on they fail, counted from 1; 0 is none
 *    2  how many of these kinds there were since number 0 was written
 *    3  how they fail: an errno, or 0 for a write of half of the bytes
 *    4  1 when all from then on fail, 0 when one does
 *    5  how many have failed
 *    8… how many there were of each kind, in the order above
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind { WRITE, SYNC, RENAME, ALLOCATE, CREATE, COPY, KINDS };
enum number { MASK, NTH, COUNT, ERROR, ONGOING, FAILED, TOTALS = 8, NUMBERS = 16 };

#define MAX_FD 65536

static char folders[4 * PATH_MAX];
static _Atomic uint64_t *control;
static _Atomic unsigned char watched[MAX_FD];

__attribute__((constructor)) static void begin(void)
{
    const char *names = getenv("FAIL_FOLDER"), *file = getenv("FAIL_CONTROL");
    if (!names || !file || strlen(names) >= sizeof folders)
        return;
    strcpy(folders, names);
    int fd = (int)syscall(SYS_openat, AT_FDCWD, file, O_RDWR | O_CLOEXEC, 0);
    if (fd < 0)
        return;
    void *at = mmap(NULL, NUMBERS * sizeof(uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    syscall(SYS_close, fd);
    if (at != MAP_FAILED)
        control = at;
}

/* Whether this call is to fail: then errno says how, and 0 stands for a short write. */
static int fails(enum kind kind)
{
    atomic_fetch_add(&control[TOTALS + kind], 1);
    uint64_t nth = atomic_load(&control[NTH]);
    if (!(atomic_load(&control[MASK]) & (1u << kind)))
        return 0;
    uint64_t count = atomic_fetch_add(&control[COUNT], 1) + 1;
    if (nth == 0 || (atomic_load(&control[ONGOING]) ? count < nth : count != nth))
        return 0;
    atomic_fetch_add(&control[FAILED], 1);
    errno = (int)atomic_load(&control[ERROR]);
    return 1;
}

/* Whether a path lies in one of the folders. */
static int inside(int dir, const char *path)
{
    char whole[2 * PATH_MAX + 2], base[PATH_MAX] = "";
    if (!control || !path)
        return 0;
    if (path[0] != '/') {
        if (dir == AT_FDCWD) {
            if (!getcwd(base, sizeof base))
                return 0;
        } else {
            char link[64];
            snprintf(link, sizeof link, "/proc/self/fd/%d", dir);
            ssize_t len = readlink(link, base, sizeof base - 1);
            if (len < 0)
                return 0;
            base[len] = 0;
        }
        strcat(base, "/");
    }
    if (strlen(base) + strlen(path) >= sizeof whole)
        return 0;
    strcat(strcpy(whole, base), path);
    for (const char *at = folders; *at;) {
        const char *end = strchrnul(at, ':');
        size_t len = (size_t)(end - at);
        if (len > 0 && strncmp(whole, at, len) == 0 && (whole[len] == 0 || whole[len] == '/'))
            return 1;
        at = *end ? end + 1 : end;
    }
    return 0;
}

static int is_watched(int fd)
{
    return control && fd >= 0 && fd < MAX_FD && watched[fd];
}

#define REAL(result, function, ...)                                                                                     \
    static result (*real)(__VA_ARGS__);                                                                                \
    if (!real)                                                                                                         \
        real = (result (*)(__VA_ARGS__))dlsym(RTLD_NEXT, function)

static int open_at(const char *function, int dir, const char *path, int flags, mode_t mode)
{
    int (*real)(int, const char *, int, ...) = (int (*)(int, const char *, int, ...))dlsym(RTLD_NEXT, function);
    int is_inside = inside(dir, path);
    if (is_inside && (flags & O_CREAT) && fails(CREATE)) {
        if (errno == 0)
            errno = EIO;
        return -1;
    }
    int fd = real(dir, path, flags, mode);
    if (fd >= 0 && fd < MAX_FD)
        watched[fd] = (unsigned char)is_inside;
    return fd;
}

#define MODE(last)                                                                                                      \
    mode_t mode = 0;                                                                                                   \
    if (flags & (O_CREAT | O_TMPFILE)) {                                                                               \
        va_list more;                                                                                                  \
        va_start(more, last);                                                                                          \
        mode = va_arg(more, mode_t);                                                                                   \
        va_end(more);                                                                                                  \
    }
int open(const char *path, int flags, ...) { MODE(flags) return open_at("openat", AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(flags) return open_at("openat64", AT_FDCWD, path, flags, mode); }
int openat(int dir, const char *path, int flags, ...) { MODE(flags) return open_at("openat", dir, path, flags, mode); }
int openat64(int dir, const char *path, int flags, ...) { MODE(flags) return open_at("openat64", dir, path, flags, mode); }

int close(int fd)
{
    REAL(int, "close", int);
    if (fd >= 0 && fd < MAX_FD)
        watched[fd] = 0;
    return real(fd);
}

static int duplicated(int from, int to)
{
    if (to >= 0 && to < MAX_FD && from >= 0 && from < MAX_FD)
        watched[to] = watched[from];
    return to;
}
int dup(int fd) { REAL(int, "dup", int); return duplicated(fd, real(fd)); }
int dup2(int fd, int to) { REAL(int, "dup2", int, int); return duplicated(fd, real(fd, to)); }
int dup3(int fd, int to, int flags) { REAL(int, "dup3", int, int, int); return duplicated(fd, real(fd, to, flags)); }
static int control_fd(const char *function, int fd, int command, void *argument)
{
    int (*real)(int, int, ...) = (int (*)(int, int, ...))dlsym(RTLD_NEXT, function);
    int result = real(fd, command, argument);
    return command == F_DUPFD || command == F_DUPFD_CLOEXEC ? duplicated(fd, result) : result;
}
#define ARGUMENT                                                                                                        \
    va_list more;                                                                                                      \
    va_start(more, command);                                                                                           \
    void *argument = va_arg(more, void *);                                                                             \
    va_end(more);
int fcntl(int fd, int command, ...) { ARGUMENT return control_fd("fcntl", fd, command, argument); }
int fcntl64(int fd, int command, ...) { ARGUMENT return control_fd("fcntl64", fd, command, argument); }

ssize_t write(int fd, const void *bytes, size_t count)
{
    REAL(ssize_t, "write", int, const void *, size_t);
    if (is_watched(fd) && fails(WRITE)) {
        if (errno)
            return -1;
        count = count > 1 ? count / 2 : count;
    }
    return real(fd, bytes, count);
}
#define PWRITE(function, type)                                                                                          \
    ssize_t function(int fd, const void *bytes, size_t count, type offset)                                             \
    {                                                                                                                  \
        REAL(ssize_t, #function, int, const void *, size_t, type);                                                     \
        if (is_watched(fd) && fails(WRITE)) {                                                                          \
            if (errno)                                                                                                 \
                return -1;                                                                                             \
            count = count > 1 ? count / 2 : count;                                                                     \
        }                                                                                                              \
        return real(fd, bytes, count, offset);                                                                         \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

/* Half of the first piece, when that is to be short. */
#define PIECES(call, first_call)                                                                                        \
    if (is_watched(fd) && fails(WRITE)) {                                                                              \
        if (errno)                                                                                                     \
            return -1;                                                                                                 \
        if (count > 0) {                                                                                               \
            struct iovec half = pieces[0];                                                                             \
            if (half.iov_len > 1)                                                                                      \
                half.iov_len /= 2;                                                                                     \
            return first_call;                                                                                         \
        }                                                                                                              \
    }                                                                                                                  \
    return call
ssize_t writev(int fd, const struct iovec *pieces, int count)
{
    REAL(ssize_t, "writev", int, const struct iovec *, int);
    PIECES(real(fd, pieces, count), real(fd, &half, 1));
}
#define PWRITEV(function, type)                                                                                         \
    ssize_t function(int fd, const struct iovec *pieces, int count, type offset)                                       \
    {                                                                                                                  \
        REAL(ssize_t, #function, int, const struct iovec *, int, type);                                                \
        PIECES(real(fd, pieces, count, offset), real(fd, &half, 1, offset));                                           \
    }
PWRITEV(pwritev, off_t)
PWRITEV(pwritev64, off64_t)

ssize_t copy_file_range(int in, off64_t *from, int fd, off64_t *to, size_t count, unsigned flags)
{
    REAL(ssize_t, "copy_file_range", int, off64_t *, int, off64_t *, size_t, unsigned);
    if (is_watched(fd) && fails(COPY)) {
        if (errno)
            return -1;
        count = count > 1 ? count / 2 : count;
    }
    return real(in, from, fd, to, count, flags);
}
#define SENDFILE(function, type)                                                                                        \
    ssize_t function(int fd, int in, type *from, size_t count)                                                         \
    {                                                                                                                  \
        REAL(ssize_t, #function, int, int, type *, size_t);                                                            \
        if (is_watched(fd) && fails(COPY)) {                                                                           \
            if (errno)                                                                                                 \
                return -1;                                                                                             \
            count = count > 1 ? count / 2 : count;                                                                     \
        }                                                                                                              \
        return real(fd, in, from, count);                                                                              \
    }
SENDFILE(sendfile, off_t)
SENDFILE(sendfile64, off64_t)

/* Anything else has no half: it fails with EIO. */
#define WHOLE(kind, is_ours, call)                                                                                      \
    if ((is_ours) && fails(kind)) {                                                                                    \
        if (errno == 0)                                                                                                \
            errno = EIO;                                                                                               \
        return -1;                                                                                                     \
    }                                                                                                                  \
    return call
int ftruncate(int fd, off_t len) { REAL(int, "ftruncate", int, off_t); WHOLE(ALLOCATE, is_watched(fd), real(fd, len)); }
int ftruncate64(int fd, off64_t len) { REAL(int, "ftruncate64", int, off64_t); WHOLE(ALLOCATE, is_watched(fd), real(fd, len)); }
int fallocate(int fd, int mode, off_t offset, off_t len)
{
    REAL(int, "fallocate", int, int, off_t, off_t);
    WHOLE(ALLOCATE, is_watched(fd), real(fd, mode, offset, len));
}
int fallocate64(int fd, int mode, off64_t offset, off64_t len)
{
    REAL(int, "fallocate64", int, int, off64_t, off64_t);
    WHOLE(ALLOCATE, is_watched(fd), real(fd, mode, offset, len));
}
/* These two give the error instead of setting it. */
#define POSIX_ALLOCATE(function, type)                                                                                  \
    int function(int fd, type offset, type len)                                                                        \
    {                                                                                                                  \
        REAL(int, #function, int, type, type);                                                                         \
        if (is_watched(fd) && fails(ALLOCATE))                                                                         \
            return errno ? errno : EIO;                                                                                \
        return real(fd, offset, len);                                                                                  \
    }
POSIX_ALLOCATE(posix_fallocate, off_t)
POSIX_ALLOCATE(posix_fallocate64, off64_t)

int fsync(int fd) { REAL(int, "fsync", int); WHOLE(SYNC, is_watched(fd), real(fd)); }
int fdatasync(int fd) { REAL(int, "fdatasync", int); WHOLE(SYNC, is_watched(fd), real(fd)); }
int syncfs(int fd) { REAL(int, "syncfs", int); WHOLE(SYNC, is_watched(fd), real(fd)); }

int rename(const char *from, const char *to)
{
    REAL(int, "rename", const char *, const char *);
    WHOLE(RENAME, inside(AT_FDCWD, to), real(from, to));
}
int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
    REAL(int, "renameat", int, const char *, int, const char *);
    WHOLE(RENAME, inside(to_dir, to), real(from_dir, from, to_dir, to));
}
int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
    REAL(int, "renameat2", int, const char *, int, const char *, unsigned);
    WHOLE(RENAME, inside(to_dir, to), real(from_dir, from, to_dir, to, flags));
}
