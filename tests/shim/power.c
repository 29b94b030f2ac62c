/* Writes down what a program does to the files of one folder, in order, so that a test can work out what a power cut at any
 * moment would have left. Preloaded (LD_PRELOAD) into the program.
 *
 * POWER_FOLDER: the folder, as the program is going to name it.   POWER_LOG: where the log is appended to.
 *
 * A record is: kind (1 byte), four numbers (8 bytes each, this machine's order), two lengths (4 bytes each), and so many bytes.
 * What failed is not in the log. Every operation happens and is written down under one lock, so that the order is that of the
 * disk's cache; a sync is written down where it begins and where it ends, and other operations may come between. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind {
    OPEN = 1, CLOSE, DUP, WRITE, TRUNCATE, ALLOCATE, SYNC_BEGIN, SYNC_END, RENAME, UNLINK, LINK,
    UNSUPPORTED, /* something that the test's model of a disk doesn't know */
};

#define MAX_FD 65536

static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;
static int log_fd = -1;
static char folder[PATH_MAX];
static size_t folder_len;
static unsigned char watched[MAX_FD];
static uint64_t syncs;

__attribute__((constructor)) static void begin(void)
{
    const char *name = getenv("POWER_FOLDER"), *log = getenv("POWER_LOG");
    if (!name || !log || strlen(name) >= sizeof folder)
        return;
    strcpy(folder, name);
    folder_len = strlen(folder);
    log_fd = (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

/* Half a log is worse than none: the program ends. */
static void out(const void *bytes, size_t len)
{
    const char *at = bytes;
    while (len > 0) {
        long n = syscall(SYS_write, log_fd, at, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            abort();
        at += n;
        len -= (size_t)n;
    }
}

static void head(enum kind kind, uint64_t a, uint64_t b, uint64_t c, uint64_t d, size_t first, size_t second)
{
    unsigned char bytes[41];
    uint64_t numbers[4] = { a, b, c, d };
    uint32_t lengths[2] = { (uint32_t)first, (uint32_t)second };
    bytes[0] = (unsigned char)kind;
    memcpy(bytes + 1, numbers, sizeof numbers);
    memcpy(bytes + 33, lengths, sizeof lengths);
    out(bytes, sizeof bytes);
}

static void note(enum kind kind, uint64_t a, uint64_t b, uint64_t c, uint64_t d, const char *first, const char *second)
{
    int saved = errno;
    size_t n = first ? strlen(first) : 0, m = second ? strlen(second) : 0;
    head(kind, a, b, c, d, n, m);
    out(first, n);
    out(second, m);
    errno = saved;
}

static int is_watched(int fd)
{
    return log_fd >= 0 && fd >= 0 && fd < MAX_FD && watched[fd];
}

/* Whether the path lies in the folder, and its name there; the folder itself is "". */
static int inside(int dir, const char *path, char name[PATH_MAX])
{
    char whole[2 * PATH_MAX], base[PATH_MAX] = "";
    if (log_fd < 0 || !path)
        return 0;
    if (path[0] != '/') {
        if (dir == AT_FDCWD) {
            if (!getcwd(base, sizeof base))
                return 0;
        } else {
            char link[64] = "/proc/self/fd/";
            char digits[16];
            int n = 0, rest = dir;
            do digits[n++] = (char)('0' + rest % 10); while (rest /= 10);
            size_t at = strlen(link);
            while (n > 0)
                link[at++] = digits[--n];
            link[at] = 0;
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
    if (strncmp(whole, folder, folder_len) != 0)
        return 0;
    const char *rest = whole + folder_len;
    if (*rest != 0 && *rest != '/')
        return 0;
    while (*rest == '/')
        rest++;
    size_t rest_len = strlen(rest);
    if (rest_len >= PATH_MAX)
        return 0;
    /* SQLite's shared memory, which nothing reads after the process is gone. */
    if (rest_len >= 4 && strcmp(rest + rest_len - 4, "-shm") == 0)
        return 0;
    strcpy(name, rest);
    return 1;
}

#define REAL(result, function, ...)                                                                                     \
    static result (*real)(__VA_ARGS__);                                                                                \
    if (!real)                                                                                                         \
        real = (result (*)(__VA_ARGS__))dlsym(RTLD_NEXT, function)
#define LOCK() pthread_mutex_lock(&order)
#define UNLOCK() do { int saved_ = errno; pthread_mutex_unlock(&order); errno = saved_; } while (0)

static int open_at(const char *function, int dir, const char *path, int flags, mode_t mode)
{
    char name[PATH_MAX];
    int (*real)(int, const char *, int, ...) = (int (*)(int, const char *, int, ...))dlsym(RTLD_NEXT, function);
    if (!inside(dir, path, name))
        return real(dir, path, flags, mode);
    LOCK();
    int fd = real(dir, path, flags, mode);
    if (fd >= 0) {
        if (fd >= MAX_FD || (flags & O_TMPFILE) == O_TMPFILE)
            note(UNSUPPORTED, 0, 0, 0, 0, "open", name);
        else
            watched[fd] = 1;
        uint64_t what = (flags & O_CREAT ? 1 : 0) | (flags & O_TRUNC ? 2 : 0);
        note(OPEN, (uint64_t)fd, what, 0, 0, name, NULL);
    }
    UNLOCK();
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
int creat(const char *path, mode_t mode) { return open_at("openat", AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }
int creat64(const char *path, mode_t mode) { return open_at("openat64", AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }

int close(int fd)
{
    REAL(int, "close", int);
    if (!is_watched(fd))
        return real(fd);
    LOCK();
    watched[fd] = 0;
    note(CLOSE, (uint64_t)fd, 0, 0, 0, NULL, NULL);
    int result = real(fd);
    UNLOCK();
    return result;
}

static void duplicated(int from, int to)
{
    if (to < 0)
        return;
    if (to >= MAX_FD) {
        note(UNSUPPORTED, 0, 0, 0, 0, "dup", NULL);
        return;
    }
    watched[to] = 1;
    note(DUP, (uint64_t)from, (uint64_t)to, 0, 0, NULL, NULL);
}

int dup(int fd)
{
    REAL(int, "dup", int);
    if (!is_watched(fd))
        return real(fd);
    LOCK();
    int to = real(fd);
    duplicated(fd, to);
    UNLOCK();
    return to;
}

static int dup_onto(int fd, int to, int result)
{
    if (result >= 0 && fd != to) {
        if (is_watched(to)) {
            watched[to] = 0;
            note(CLOSE, (uint64_t)to, 0, 0, 0, NULL, NULL);
        }
        if (is_watched(fd))
            duplicated(fd, to);
    }
    UNLOCK();
    return result;
}
int dup2(int fd, int to)
{
    REAL(int, "dup2", int, int);
    LOCK();
    return dup_onto(fd, to, real(fd, to));
}
int dup3(int fd, int to, int flags)
{
    REAL(int, "dup3", int, int, int);
    LOCK();
    return dup_onto(fd, to, real(fd, to, flags));
}

static int control(const char *function, int fd, int command, void *argument)
{
    int (*real)(int, int, ...) = (int (*)(int, int, ...))dlsym(RTLD_NEXT, function);
    if (!is_watched(fd) || (command != F_DUPFD && command != F_DUPFD_CLOEXEC))
        return real(fd, command, argument);
    LOCK();
    int to = real(fd, command, argument);
    duplicated(fd, to);
    UNLOCK();
    return to;
}
#define ARGUMENT                                                                                                        \
    va_list more;                                                                                                      \
    va_start(more, command);                                                                                           \
    void *argument = va_arg(more, void *);                                                                             \
    va_end(more);
int fcntl(int fd, int command, ...) { ARGUMENT return control("fcntl", fd, command, argument); }
int fcntl64(int fd, int command, ...) { ARGUMENT return control("fcntl64", fd, command, argument); }

/* The pieces' first `len` bytes were written at `offset`; -1 when the file's own position tells. */
static void wrote(int fd, off64_t offset, const struct iovec *pieces, ssize_t len)
{
    int saved = errno;
    if (len <= 0)
        return;
    if (offset < 0)
        offset = lseek64(fd, 0, SEEK_CUR) - len;
    head(WRITE, (uint64_t)fd, (uint64_t)offset, 0, 0, (size_t)len, 0);
    for (size_t rest = (size_t)len; rest > 0; pieces++) {
        size_t some = pieces->iov_len < rest ? pieces->iov_len : rest;
        out(pieces->iov_base, some);
        rest -= some;
    }
    errno = saved;
}

#define WRITING(offset, pieces, call)                                                                                   \
    if (!is_watched(fd))                                                                                               \
        return call;                                                                                                   \
    LOCK();                                                                                                            \
    ssize_t len = call;                                                                                                \
    wrote(fd, offset, pieces, len);                                                                                    \
    UNLOCK();                                                                                                          \
    return len
ssize_t write(int fd, const void *bytes, size_t count)
{
    REAL(ssize_t, "write", int, const void *, size_t);
    struct iovec piece = { (void *)bytes, count };
    WRITING(-1, &piece, real(fd, bytes, count));
}
ssize_t writev(int fd, const struct iovec *pieces, int count)
{
    REAL(ssize_t, "writev", int, const struct iovec *, int);
    WRITING(-1, pieces, real(fd, pieces, count));
}
#define PWRITE(function, type)                                                                                          \
    ssize_t function(int fd, const void *bytes, size_t count, type offset)                                             \
    {                                                                                                                  \
        REAL(ssize_t, #function, int, const void *, size_t, type);                                                     \
        struct iovec piece = { (void *)bytes, count };                                                                 \
        WRITING(offset, &piece, real(fd, bytes, count, offset));                                                       \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)
#define PWRITEV(function, type)                                                                                         \
    ssize_t function(int fd, const struct iovec *pieces, int count, type offset)                                       \
    {                                                                                                                  \
        REAL(ssize_t, #function, int, const struct iovec *, int, type);                                                \
        WRITING(offset, pieces, real(fd, pieces, count, offset));                                                      \
    }
PWRITEV(pwritev, off_t)
PWRITEV(pwritev64, off64_t)
#define PWRITEV2(function, type)                                                                                        \
    ssize_t function(int fd, const struct iovec *pieces, int count, type offset, int flags)                            \
    {                                                                                                                  \
        REAL(ssize_t, #function, int, const struct iovec *, int, type, int);                                           \
        WRITING(offset, pieces, real(fd, pieces, count, offset, flags));                                               \
    }
PWRITEV2(pwritev2, off_t)
PWRITEV2(pwritev64v2, off64_t)

/* What was copied inside the kernel is read from where it came. */
static void copied(int fd, off64_t to, int in, off64_t from, ssize_t len)
{
    int saved = errno;
    char bytes[65536];
    if (len <= 0)
        return;
    head(WRITE, (uint64_t)fd, (uint64_t)to, 0, 0, (size_t)len, 0);
    while (len > 0) {
        long n = syscall(SYS_pread64, in, bytes, (size_t)len < sizeof bytes ? (size_t)len : sizeof bytes, from);
        if (n <= 0)
            abort();
        out(bytes, (size_t)n);
        from += n;
        len -= n;
    }
    errno = saved;
}

ssize_t copy_file_range(int in, off64_t *from, int fd, off64_t *to, size_t count, unsigned flags)
{
    REAL(ssize_t, "copy_file_range", int, off64_t *, int, off64_t *, size_t, unsigned);
    if (!is_watched(fd))
        return real(in, from, fd, to, count, flags);
    LOCK();
    ssize_t len = real(in, from, fd, to, count, flags);
    if (len > 0)
        copied(fd, (to ? *to : lseek64(fd, 0, SEEK_CUR)) - len, in, (from ? *from : lseek64(in, 0, SEEK_CUR)) - len, len);
    UNLOCK();
    return len;
}

#define SENDFILE(function, type)                                                                                        \
    ssize_t function(int fd, int in, type *from, size_t count)                                                         \
    {                                                                                                                  \
        REAL(ssize_t, #function, int, int, type *, size_t);                                                            \
        if (!is_watched(fd))                                                                                           \
            return real(fd, in, from, count);                                                                          \
        LOCK();                                                                                                        \
        ssize_t len = real(fd, in, from, count);                                                                       \
        if (len > 0)                                                                                                   \
            copied(fd, lseek64(fd, 0, SEEK_CUR) - len, in, (from ? *from : lseek64(in, 0, SEEK_CUR)) - len, len);      \
        UNLOCK();                                                                                                      \
        return len;                                                                                                    \
    }
SENDFILE(sendfile, off_t)
SENDFILE(sendfile64, off64_t)

ssize_t splice(int in, off64_t *from, int fd, off64_t *to, size_t count, unsigned flags)
{
    REAL(ssize_t, "splice", int, off64_t *, int, off64_t *, size_t, unsigned);
    if (is_watched(fd)) {
        LOCK();
        note(UNSUPPORTED, 0, 0, 0, 0, "splice", NULL);
        UNLOCK();
    }
    return real(in, from, fd, to, count, flags);
}

#define MMAP(function, type)                                                                                            \
    void *function(void *at, size_t len, int protection, int flags, int fd, type offset)                               \
    {                                                                                                                  \
        REAL(void *, #function, void *, size_t, int, int, int, type);                                                  \
        if (is_watched(fd) && (flags & MAP_SHARED) && (protection & PROT_WRITE)) {                                     \
            LOCK();                                                                                                    \
            note(UNSUPPORTED, 0, 0, 0, 0, "mmap", NULL);                                                               \
            UNLOCK();                                                                                                  \
        }                                                                                                              \
        return real(at, len, protection, flags, fd, offset);                                                           \
    }
MMAP(mmap, off_t)
MMAP(mmap64, off64_t)

#define CHANGING(kind, a, b, c, call)                                                                                   \
    if (!is_watched(fd))                                                                                               \
        return call;                                                                                                   \
    LOCK();                                                                                                            \
    int result = call;                                                                                                 \
    if (result == 0)                                                                                                   \
        note(kind, (uint64_t)fd, (uint64_t)(a), (uint64_t)(b), (uint64_t)(c), NULL, NULL);                             \
    UNLOCK();                                                                                                          \
    return result
#define TRUNCATING(function, type)                                                                                      \
    int function(int fd, type len)                                                                                     \
    {                                                                                                                  \
        REAL(int, #function, int, type);                                                                               \
        CHANGING(TRUNCATE, len, 0, 0, real(fd, len));                                                                  \
    }
TRUNCATING(ftruncate, off_t)
TRUNCATING(ftruncate64, off64_t)
#define ALLOCATING(function, type)                                                                                      \
    int function(int fd, int mode, type offset, type len)                                                              \
    {                                                                                                                  \
        REAL(int, #function, int, int, type, type);                                                                    \
        CHANGING(ALLOCATE, mode, offset, len, real(fd, mode, offset, len));                                            \
    }
ALLOCATING(fallocate, off_t)
ALLOCATING(fallocate64, off64_t)
#define POSIX_ALLOCATING(function, type)                                                                                \
    int function(int fd, type offset, type len)                                                                        \
    {                                                                                                                  \
        REAL(int, #function, int, type, type);                                                                         \
        CHANGING(ALLOCATE, 0, offset, len, real(fd, offset, len));                                                     \
    }
POSIX_ALLOCATING(posix_fallocate, off_t)
POSIX_ALLOCATING(posix_fallocate64, off64_t)

static int synced(const char *function, int fd, int whole)
{
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, function);
    if (!is_watched(fd))
        return real(fd);
    LOCK();
    uint64_t number = ++syncs;
    note(SYNC_BEGIN, (uint64_t)fd, number, (uint64_t)whole, 0, NULL, NULL);
    UNLOCK();
    int result = real(fd);
    LOCK();
    if (result == 0)
        note(SYNC_END, number, 0, 0, 0, NULL, NULL);
    UNLOCK();
    return result;
}
int fsync(int fd) { return synced("fsync", fd, 0); }
int fdatasync(int fd) { return synced("fdatasync", fd, 0); }
int syncfs(int fd) { return synced("syncfs", fd, 1); }

/* Both names in the folder, or neither. */
static int two_names(enum kind kind, int result, int is_first, const char *first, int is_second, const char *second)
{
    if (result == 0 && (is_first || is_second))
        note(is_first && is_second ? kind : UNSUPPORTED, 0, 0, 0, 0, is_first ? first : "", is_second ? second : "");
    UNLOCK();
    return result;
}
#define TWO_NAMES(kind, from_dir, from, to_dir, to, call)                                                               \
    char first[PATH_MAX], second[PATH_MAX];                                                                            \
    int is_first = inside(from_dir, from, first), is_second = inside(to_dir, to, second);                              \
    LOCK();                                                                                                            \
    return two_names(kind, call, is_first, first, is_second, second)
int rename(const char *from, const char *to)
{
    REAL(int, "rename", const char *, const char *);
    TWO_NAMES(RENAME, AT_FDCWD, from, AT_FDCWD, to, real(from, to));
}
int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
    REAL(int, "renameat", int, const char *, int, const char *);
    TWO_NAMES(RENAME, from_dir, from, to_dir, to, real(from_dir, from, to_dir, to));
}
int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
    REAL(int, "renameat2", int, const char *, int, const char *, unsigned);
    TWO_NAMES(flags & RENAME_EXCHANGE ? UNSUPPORTED : RENAME, from_dir, from, to_dir, to, real(from_dir, from, to_dir, to, flags));
}
int link(const char *from, const char *to)
{
    REAL(int, "link", const char *, const char *);
    TWO_NAMES(LINK, AT_FDCWD, from, AT_FDCWD, to, real(from, to));
}
int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags)
{
    REAL(int, "linkat", int, const char *, int, const char *, int);
    TWO_NAMES(LINK, from_dir, from, to_dir, to, real(from_dir, from, to_dir, to, flags));
}

#define REMOVING(kind, dir, path, call)                                                                                 \
    char name[PATH_MAX];                                                                                               \
    if (!inside(dir, path, name))                                                                                      \
        return call;                                                                                                   \
    LOCK();                                                                                                            \
    int result = call;                                                                                                 \
    if (result == 0)                                                                                                   \
        note(kind, 0, 0, 0, 0, name, NULL);                                                                            \
    UNLOCK();                                                                                                          \
    return result
int unlink(const char *path)
{
    REAL(int, "unlink", const char *);
    REMOVING(UNLINK, AT_FDCWD, path, real(path));
}
int unlinkat(int dir, const char *path, int flags)
{
    REAL(int, "unlinkat", int, const char *, int);
    REMOVING(flags & AT_REMOVEDIR ? UNSUPPORTED : UNLINK, dir, path, real(dir, path, flags));
}
