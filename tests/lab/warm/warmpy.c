/* SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The guest's ansible_python_interpreter: hands its arguments, environment, working folder and standard files to the fork
 * server (warmd.py) and ends as the server's child did.
 *
 * Where the server cannot serve it becomes the real Python, and says so in FALLBACKS: such a run is about thirty times
 * slower, and a test of the lab must notice it.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#define PYTHON    "/usr/bin/python3"
#define SERVER    "/run/warm.sock"
#define FALLBACKS "/run/warm-fallbacks"

extern char **environ;

static char *request;
static size_t length, capacity;

static void put(const char *text)
{
    size_t n = strlen(text) + 1;
    if (length + n > capacity) {
        capacity = (length + n) * 2;
        request = realloc(request, capacity);
        if (!request)
            _exit(125);
    }
    memcpy(request + length, text, n);
    length += n;
}

static int slow(char **argv, const char *why)
{
    int log = open(FALLBACKS, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    if (log >= 0) {
        dprintf(log, "plain Python: %s: %.300s\n", why, argv[1] ? argv[1] : "program on stdin");
        close(log);
    }
    argv[0] = PYTHON;
    execv(PYTHON, argv);
    perror(PYTHON);
    return 127;
}

static int connected(void)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = SERVER };
    int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s >= 0 && connect(s, (void *)&address, sizeof address)) {
        close(s);
        return -1;
    }
    return s;
}

/* The length of the request, and with it the three standard files. */
static int send_head(int s)
{
    int files[3] = { 0, 1, 2 };
    uint32_t size = length;
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof files)];
    } control = { 0 };
    struct iovec part = { &size, sizeof size };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.space, .msg_controllen = sizeof control.space };
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN(sizeof files);
    memcpy(CMSG_DATA(&control.header), files, sizeof files);
    return sendmsg(s, &message, 0) == sizeof size;
}

int main(int argc, char **argv)
{
    char folder[PATH_MAX], head[64];
    int variables = 0, status;
    ssize_t n;

    if (argc > 1 && argv[1][0] == '-' && argv[1][1] && strcmp(argv[1], "-c"))
        return slow(argv, "an option that the server does not know");
    if (argc == 1 && isatty(0))
        return slow(argv, "interactive");
    int s = connected();
    if (s < 0)
        return slow(argv, strerror(errno));

    mode_t mask = umask(0);
    umask(mask);
    while (environ[variables])
        variables++;
    snprintf(head, sizeof head, "%d %d %d", (int)mask, argc - 1, variables);
    put(head);
    put(getcwd(folder, sizeof folder) ? folder : "/");
    for (int i = 1; i < argc; i++)
        put(argv[i]);
    for (int i = 0; i < variables; i++)
        put(environ[i]);

    signal(SIGPIPE, SIG_IGN);
    if (!send_head(s))
        return slow(argv, "the server does not listen");
    for (size_t sent = 0; sent < length; sent += n) {
        n = write(s, request + sent, length - sent);
        if (n < 0 && errno == EINTR)
            n = 0;
        else if (n <= 0)
            return 125;
    }
    do
        n = read(s, &status, sizeof status);
    while (n < 0 && errno == EINTR);
    if (n != sizeof status) {
        fputs("warmpy: the server went away\n", stderr);
        return 125;
    }
    if (status < 0) {
        signal(-status, SIG_DFL);
        raise(-status);
        return 128 - status;
    }
    return status;
}
