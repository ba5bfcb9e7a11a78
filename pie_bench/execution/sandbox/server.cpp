// Runs inside the sandbox, in front of a program: forks a child for each input, which becomes the program, so that the
// sandbox is made once for all of its tests. The contract is `Served`'s, in sandbox.py; the socket is standard input.
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

constexpr int CONTROL = 60, MOST_DESCRIPTORS = 64;  // the sandbox's limit
char filter[1 << 16];

struct Reply {
    int32_t status;
    uint32_t user_microseconds[2];  // low half first
};

// One packet with the descriptors of a run's streams; false at the end of the connection.
bool receive(int descriptors[4]) {
    char tag;
    alignas(cmsghdr) char ancillary[CMSG_SPACE(4 * sizeof(int))];
    iovec data{&tag, 1};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = ancillary;
    message.msg_controllen = sizeof ancillary;
    if (recvmsg(CONTROL, &message, 0) != 1) return false;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    if (header == nullptr || header->cmsg_type != SCM_RIGHTS || header->cmsg_len != CMSG_LEN(4 * sizeof(int)))
        return false;
    memcpy(descriptors, CMSG_DATA(header), 4 * sizeof(int));
    return true;
}

void say(const char* text) {
    if (write(2, text, strlen(text)) < 0) return;
}

// No system call of this thread, or of one it starts, that `program` refuses; false where it cannot be installed.
bool refuse(sock_filter* program, size_t length) {
    sock_fprog whole{static_cast<unsigned short>(length), program};
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &whole) == 0;
}

// Neither signals nor limits for any process but this one: the server, of the same user, is in reach.
bool refuse_others() {
    constexpr uint32_t NUMBER = offsetof(seccomp_data, nr), FIRST = offsetof(seccomp_data, args);
    const uint32_t own = static_cast<uint32_t>(getpid());
    sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, NUMBER),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_tkill, 6, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_tgkill, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_prlimit64, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, FIRST),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, own, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
    };
    return refuse(program, sizeof program / sizeof *program);
}

[[noreturn]] void become(char** argv, char** environment, const int descriptors[4], size_t filter_bytes) {
    for (int stream = 0; stream < 3; ++stream) dup2(descriptors[stream], stream);
    for (int descriptor = 3; descriptor < MOST_DESCRIPTORS; ++descriptor) close(descriptor);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || !refuse_others() ||
        !refuse(reinterpret_cast<sock_filter*>(filter), filter_bytes / sizeof(sock_filter)))
        _exit(125);
    execve(argv[0], argv, environment);
    int why = errno;
    say("failed to execute ");
    say(argv[0]);
    say(": ");
    say(strerror(why));
    say("\n");
    _exit(why == ENOENT ? 127 : 126);
}

}  // namespace

int main(int, char** argv, char** environment) {
    // No program may look into this process, or write to it.
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 || dup2(0, CONTROL) != CONTROL) return 125;
    close(0);
    ssize_t filter_bytes = recv(CONTROL, filter, sizeof filter, 0);
    int descriptors[4];
    while (filter_bytes > 0 && receive(descriptors)) {
        pid_t child = fork();
        if (child < 0) return 125;
        if (child == 0) become(argv + 1, environment, descriptors, static_cast<size_t>(filter_bytes));
        for (int descriptor : descriptors) close(descriptor);
        int status;
        rusage usage;
        while (wait4(child, &status, 0, &usage) != child)
            if (errno != EINTR) return 125;
        uint64_t user = static_cast<uint64_t>(usage.ru_utime.tv_sec) * 1000000 + static_cast<uint64_t>(usage.ru_utime.tv_usec);
        Reply reply{status, {static_cast<uint32_t>(user), static_cast<uint32_t>(user >> 32)}};
        if (send(CONTROL, &reply, sizeof reply, MSG_NOSIGNAL) != sizeof reply) return 125;
    }
    return 0;
}
