// Each attack prints REACHED and ends with 0 if it got what it wanted, else it says what stopped it. Bounded and harmless:
// what would do damage is only opened, asked for, or done inside a namespace that is thrown away.
#include <arpa/inet.h>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <functional>
#include <map>
#include <mqueue.h>
#include <pthread.h>
#include <sched.h>
#include <string>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

static const char* argument;
static std::string content(const std::string& path) {
    std::string all; char block[4096]; ssize_t n; int fd = open(path.c_str(), O_RDONLY);
    if (fd < 0) return all;
    while (all.size() < 1 << 20 && (n = read(fd, block, sizeof block)) > 0) all.append(block, n);
    close(fd); return all;
}
static bool opened(const char* path, int flags) { return open(path, flags, 0600) >= 0; }
static bool in_processes(const char* file, const char* what) {
    DIR* d = opendir("/proc"); if (!d) return false;
    while (dirent* e = readdir(d))
        if (atoi(e->d_name) && atoi(e->d_name) != getpid()
            && content(std::string("/proc/") + e->d_name + "/" + file).find(what) != std::string::npos) return true;
    return false;
}
static bool socket_of(int family, int type, int protocol = 0) { return socket(family, type, protocol) >= 0; }
static int other() {  // a process that is not ours; an emulator has threads besides its program's
    if (kill(getppid(), 0) == 0 && getppid() > 0) return getppid();
    for (int p = 1; p < 1 << 16; p++)
        if (p != getpid() && kill(p, 0) == 0 && access(("/proc/self/task/" + std::to_string(p)).c_str(), F_OK)) return p;
    return 0;
}
static void* waits(void*) { usleep(300000); return nullptr; }

static const std::map<std::string, std::function<bool()>> attacks = {
    {"read a file of the host", [] { return !content("/etc/passwd").empty(); }},
    {"read the password hashes", [] { return !content("/etc/shadow").empty(); }},
    {"read a secret by its path", [] { return content(argument).find("secret-of-the-host") != std::string::npos; }},
    {"read the harness's memory map", [] { return in_processes("maps", "python"); }},
    {"list the home folder", [] { DIR* d = opendir("/root"); if (!d) d = opendir("/home"); return d != nullptr; }},
    {"find an API key in an environment", [] { return in_processes("environ", "secret-of-the-host"); }},
    {"find a command line", [] { return in_processes("cmdline", "secret-of-the-host"); }},
    {"signal another process", [] { return other() != 0; }},
    {"signal everything", [] { return kill(-1, 0) == 0; }},
    {"trace the parent", [] { return ptrace(PTRACE_ATTACH, getppid(), 0, 0) == 0; }},
    {"read another's memory", [] { char b[8]; iovec l{b, 8}, r{(void*)0x400000, 8};
        return process_vm_readv(getppid(), &l, 1, &r, 1, 0) >= 0 || errno == EFAULT; }},
    {"hold another process", [] { return syscall(SYS_pidfd_open, getppid(), 0) >= 0; }},
    {"network, IPv4", [] { return socket_of(AF_INET, SOCK_STREAM); }},
    {"network, IPv6", [] { return socket_of(AF_INET6, SOCK_DGRAM); }},
    {"network, raw", [] { return socket_of(AF_PACKET, SOCK_RAW); }},
    {"network, local", [] { return socket_of(AF_UNIX, SOCK_STREAM); }},
    {"network, netlink", [] { return socket_of(AF_NETLINK, SOCK_RAW); }},
    {"network, virtual machine's host", [] { return socket_of(40, SOCK_STREAM); }},
    {"fork", [] { int p = fork(); if (p == 0) _exit(0); return p > 0 && waitpid(p, nullptr, 0) == p; }},
    {"vfork", [] { int p = vfork(); if (p == 0) _exit(0); return p > 0; }},
    {"leave a daemon", [] { int p = fork(); if (p == 0) { setsid(); usleep(100000); _exit(0); } return p > 0; }},
    {"fork bomb, bounded", [] { int n = 0; for (int i = 0; i < 100; i++) { int p = fork(); if (p == 0) { usleep(300000); _exit(0); }
        n += p > 0; } return n == 100; }},
    {"a hundred threads", [] { int n = 0; pthread_t t; for (int i = 0; i < 100; i++) n += pthread_create(&t, nullptr, waits, nullptr) == 0;
        return n == 100; }},
    {"run a shell that reads a file of the host", [] {
        execl("/bin/sh", "sh", "-c", "read x < /etc/passwd && echo REACHED", (char*)nullptr); return false; }},
    {"run a file made in memory", [] { int m = syscall(SYS_memfd_create, "x", 0); std::string self = content("/proc/self/exe");
        return m >= 0 && !self.empty(); }},
    {"a namespace of its own", [] { return unshare(CLONE_NEWUSER) == 0; }},
    {"mount", [] { return mount("none", "/tmp", "tmpfs", 0, "") == 0; }},
    {"change the root", [] { return chroot("/tmp") == 0; }},
    {"become root", [] { return (getuid() != 0 && setuid(0) == 0) || (getuid() == 0 && setuid(0) == 0); }},
    {"name the machine", [] { return sethostname("owned", 5) == 0; }},
    {"io_uring", [] { char p[256] = {}; return syscall(SYS_io_uring_setup, 4, p) >= 0 || errno == EINVAL; }},
    {"bpf", [] { char a[128] = {}; return syscall(SYS_bpf, 0, a, sizeof a) >= 0 || errno == EINVAL; }},
    {"userfaultfd", [] { return syscall(SYS_userfaultfd, 1) >= 0 || errno == EINVAL; }},
    {"the kernel's keyring", [] { return syscall(SYS_keyctl, 0, -3, 1, 0, 0) >= 0; }},
    {"the kernel's log", [] { return syscall(SYS_syslog, 10, nullptr, 0) >= 0; }},
    {"performance counters", [] { char a[128] = {}; return syscall(SYS_perf_event_open, a, 0, -1, -1, 0) >= 0 || errno == EINVAL || errno == E2BIG; }},
    {"another personality", [] { return syscall(SYS_personality, 0x0040000) >= 0; }},
    {"a file by its handle", [] { char h[128] = {}; return syscall(SYS_open_by_handle_at, AT_FDCWD, h, 0) >= 0 || errno == EINVAL; }},
    {"change its own program", [] { char p[PATH_MAX] = {}; return readlink("/proc/self/exe", p, sizeof p - 1) > 0
        && (opened(p, O_WRONLY) || unlink(p) == 0); }},
    {"leave a file in /tmp", [] { return opened("/tmp/pie_bench_left", O_CREAT | O_WRONLY); }},
    {"leave a file where it is", [] { return opened("pie_bench_left", O_CREAT | O_WRONLY); }},
    {"leave shared memory", [] { return opened("/dev/shm/pie_bench_left", O_CREAT | O_RDWR); }},
    {"leave System V memory", [] { return shmget(0x7069, 4096, IPC_CREAT | 0600) >= 0; }},
    {"leave a message queue", [] { return mq_open("/pie_bench_left", O_CREAT | O_RDWR, 0600, nullptr) >= 0; }},
    {"thirty thousand files", [] { int n = 0; for (int i = 0; i < 30000; i++) { int f = open(("/tmp/f" + std::to_string(i)).c_str(), O_CREAT | O_WRONLY, 0600);
        if (f >= 0) { n++; close(f); } } return n == 30000; }},
    {"a huge file", [] { int f = open("/tmp/huge", O_CREAT | O_WRONLY, 0600); return f >= 0 && ftruncate(f, 1l << 32) == 0; }},
    {"the core dump's handler", [] { return opened("/proc/sys/kernel/core_pattern", O_WRONLY); }},
    {"the kernel's settings", [] { return opened("/proc/sys/vm/overcommit_memory", O_WRONLY) || opened("/proc/sysrq-trigger", O_WRONLY); }},
    {"the machine's memory", [] { return opened("/dev/mem", O_RDONLY) || opened("/dev/kmsg", O_RDONLY); }},
    {"type into the terminal", [] { char c = 'x'; int f = open("/dev/tty", O_RDWR); return (f >= 0 && ioctl(f, TIOCSTI, &c) == 0); }},
    {"raise a limit", [] { rlimit l{RLIM_INFINITY, RLIM_INFINITY}; return setrlimit(RLIMIT_CORE, &l) == 0 && setrlimit(RLIMIT_AS, &l) == 0; }},
    {"five thousand descriptors", [] { int n = 0; while (n < 5000 && dup(0) >= 0) n++; return n == 5000; }},
    {"six gigabytes of memory", [] { char* p = (char*)mmap(0, 6l << 30, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0); return p != MAP_FAILED; }},
    {"a gigabyte of stack", [] { rlimit l{RLIM_INFINITY, RLIM_INFINITY}; 
        return setrlimit(RLIMIT_STACK, &l) == 0 && getrlimit(RLIMIT_STACK, &l) == 0 && l.rlim_cur == RLIM_INFINITY; }},
};

// An attack and what it is to find, as arguments or else as lines of input; without either, their names are listed.
int main(int argc, char** argv) {
    static char name[256], path[4096];
    if (argc < 2 && scanf("%255[^\n]\n%4095[^\n]", name, path) < 1) {
        for (auto& a : attacks) puts(a.first.c_str());
        return 0;
    }
    argument = argc < 2 ? path : argc > 2 ? argv[2] : "";
    errno = 0;
    if (attacks.at(argc < 2 ? name : argv[1])()) { puts("REACHED"); return 0; }
    printf("stopped: %s\n", strerror(errno));
    return 1;
}
