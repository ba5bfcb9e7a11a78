# The fork server's machine code; fork_server.py says what it is for. Three parts: `inline`, which the simulator counts;
# `loader` and `server`, which it never sees, because valgrind's client request CLIENT_CALL0 runs them on the real
# processor. What ships is fork_server.bin, this file assembled (tools/assemble.sh); a test compares the two.
        .intel_syntax noprefix
        .text

# In the cache line of main's first instruction. No memory access but to the line of main's return address, no
# conditional branch, no indirect branch: nothing here can be seen in caches or predictors afterwards.
inline_fork:
        mov     eax, 57                 # fork
        syscall
inline_call:
        push    rdx                     # envp, main's third argument
        mov     eax, 0x11111111         # address of the request block; replaced
        rol     rdi, 3                  # valgrind's client request: server(), natively
        rol     rdi, 13
        rol     rdi, 61
        rol     rdi, 51
        xchg    rbx, rbx
        xchg    rax, rdx                # where to go: inline_fork in the server, main in a child
        pop     rdx
        push    rax
        ret

# In the padding behind the program's code: fetches the server through the control socket and goes there.
        .balign 64
loader:
        xor     edi, edi
        mov     esi, 16384
        push    7                       # read, write, execute
        pop     rdx
        push    0x22                    # private, anonymous
        pop     r10
        or      r8, -1
        xor     r9d, r9d
        push    9                       # mmap
        pop     rax
        syscall
        xchg    rax, rsi
        xchg    eax, edx
        xor     eax, eax                # read
        syscall
        jmp     rsi

# long server(): where the simulated program goes next. rbx, rbp, r12 to r15 and the stack belong to the caller.
        .balign 64
server:
        push    rbx
        push    rbp
        push    r12
        mov     eax, 39                 # getpid
        syscall
        mov     server_process[rip], eax
# Which other descriptor is standard error too: the one that valgrind keeps for its own messages.
        mov     edi, 2
        lea     rsi, file_of_stderr[rip]
        mov     eax, 5                  # fstat
        syscall
        mov     ebx, 3
1:      mov     edi, ebx
        lea     rsi, file_of_other[rip]
        mov     eax, 5                  # fstat
        syscall
        test    eax, eax
        jnz     2f
        mov     rax, file_of_stderr[rip]
        cmp     rax, file_of_other[rip] # device
        jne     2f
        mov     rax, file_of_stderr[rip + 8]
        cmp     rax, file_of_other[rip + 8] # inode
        jne     2f
        mov     descriptors[rip + 16], ebx
2:      inc     ebx
        cmp     ebx, 1024
        jb      1b
        lea     rbx, begin_patches[rip]
        call    apply
        mov     rbp, request_block[rip]
        mov     r12d, 16
        mov     edx, 7                  # read, write, execute
        call    protect
        lea     rcx, step[rip]
        mov     [rbp + 8], rcx          # from now on the request calls step
        mov     edx, 5                  # read, execute
        call    protect
        jmp     to_fork

step:
        push    rbx
        push    rbp
        push    r12
        mov     eax, 39                 # getpid
        syscall
        cmp     eax, server_process[rip]
        jne     child

# The server: waits for the child that it has just forked, tells how it ended, forks the next.
        or      rdi, -1
        lea     rsi, ended[rip]
        xor     edx, edx
        xor     r10d, r10d
        mov     eax, 61                 # wait4
        syscall
        test    eax, eax
        js      leave
        xor     edi, edi
        lea     rsi, ended[rip]
        mov     edx, 4
        mov     r10d, 0x4000            # MSG_NOSIGNAL
        xor     r8d, r8d
        xor     r9d, r9d
        mov     eax, 44                 # sendto
        syscall
        cmp     eax, 4
        jne     leave

# Before it forks: a packet that begins with 2 names code that children have had to translate, to be translated here, once,
# as they would have: with the program's code in place. Any other packet is an input, and left to the child.
to_fork:
        sub     rsp, 8192
1:      xor     edi, edi
        mov     rsi, rsp
        mov     edx, 8192
        mov     r10d, 2                 # MSG_PEEK
        xor     r8d, r8d
        xor     r9d, r9d
        mov     eax, 45                 # recvfrom
        syscall
        test    eax, eax
        jle     leave                   # closed: no more inputs
        cmp     byte ptr [rsp], 2
        jne     4f
        xor     edi, edi
        mov     rsi, rsp
        mov     edx, 8192
        xor     eax, eax                # read
        syscall
        add     rax, rsp
        mov     addresses_end[rip], rax
        lea     rbx, end_patches[rip]
        call    apply
        lea     rbx, [rsp + 8]
2:      cmp     rbx, addresses_end[rip]
        jae     3f
        xor     edi, edi                # search_transtab(NULL, NULL, NULL, address, False)
        xor     esi, esi
        xor     edx, edx
        mov     rcx, [rbx]
        xor     r8d, r8d
        call    search_transtab[rip]
        test    al, al
        jnz     5f
        mov     edi, 1                  # translate(thread, address, False, 0, 0, True)
        mov     rsi, [rbx]
        xor     edx, edx
        xor     ecx, ecx
        xor     r8d, r8d
        mov     r9d, 1
        call    translate[rip]
5:      add     rbx, 8
        jmp     2b
3:      lea     rbx, begin_patches[rip]
        call    apply
        jmp     1b
4:      add     rsp, 8192
        mov     rax, fork_address[rip]
        jmp     done

# A child: takes the descriptors of one input from the control socket and puts them in place (the socket is closed by
# that), makes the program's code what it was, gives up what only the server may do, and goes to main. With the tag 1,
# main is made to end the process first.
child:
        xor     eax, eax
        xchg    eax, forked[rip]
        test    eax, eax
        jz      leave                   # asked a second time: left-over code was run
        lea     rax, iovec_space[rip]
        mov     message_iovec[rip], rax
        lea     rcx, tag[rip]
        mov     [rax], rcx
        lea     rax, control[rip]
        mov     message_control[rip], rax
        xor     edi, edi
        lea     rsi, message[rip]
        xor     edx, edx
        mov     eax, 47                 # recvmsg
        syscall
        cmp     eax, 1
        jne     leave                   # closed: no more inputs
        cmp     qword ptr control[rip], 32
        jne     leave
        mov     edi, control[rip + 16 + 4 * 2]
        mov     esi, descriptors[rip + 16]
        mov     eax, 33                 # dup2: valgrind's messages
        syscall
        xor     ebx, ebx
1:      lea     rcx, control[rip]
        mov     edi, [rcx + 16 + 4 * rbx]
        lea     rcx, descriptors[rip]
        mov     esi, [rcx + 4 * rbx]
        mov     eax, 33                 # dup2
        syscall
        test    eax, eax
        js      leave
        mov     eax, 3                  # close
        syscall
        inc     ebx
        cmp     ebx, 4
        jb      1b
        lea     rbx, end_patches[rip]
        call    apply
        cmp     byte ptr tag[rip], 0
        je      3f
        lea     rbx, start_up_patches[rip]
        call    apply
3:      lea     rax, filter[rip]
        mov     filter_pointer[rip], rax
        mov     edi, 1                  # SECCOMP_SET_MODE_FILTER
        xor     esi, esi
        lea     rdx, filter_header[rip]
        mov     eax, 317                # seccomp
        syscall
        test    eax, eax
        jnz     leave
        mov     rax, main_address[rip]
done:
        pop     r12
        pop     rbp
        pop     rbx
        ret

leave:
        mov     edi, 99
        mov     eax, 231                # exit_group
        syscall

# Writes the list of patches at rbx into the program's code: each is its address, its length and its bytes, padded to
# a multiple of eight; an address of 0 ends the list.
apply:
        mov     rbp, [rbx]
        test    rbp, rbp
        jz      2f
        mov     r12, [rbx + 8]
        mov     edx, 7                  # read, write, execute
        call    protect
        lea     rsi, [rbx + 16]
        mov     rdi, rbp
        mov     rcx, r12
        rep     movsb
        mov     edx, 5                  # read, execute
        call    protect
        lea     rax, [r12 + 7]
        and     rax, -8
        lea     rbx, [rbx + rax + 16]
        jmp     apply
2:      ret
protect:
        mov     rdi, rbp
        and     rdi, -4096
        lea     rsi, [rbp + r12 + 4095]
        and     rsi, -4096
        sub     rsi, rdi
        mov     eax, 10                 # mprotect
        syscall
        test    eax, eax
        jnz     leave
        ret

        .balign 8
server_process: .long   0
forked:         .long   1
ended:          .long   0
tag:            .long   0
addresses_end:  .quad   0
file_of_stderr: .fill   18, 8, 0        # struct stat
file_of_other:  .fill   18, 8, 0
iovec_space:    .quad   0, 1
control:        .fill   6, 8, 0
message:        .quad   0, 0            # name, its length
message_iovec:  .quad   0, 1
message_control:.quad   0, 48
                .quad   0               # flags
        .balign 8
# What fork_server.py fills in. descriptors: where a child's stdin, stdout, stderr, report and valgrind's messages go.
filter_header:  .quad   0               # number of instructions
filter_pointer: .quad   0
request_block:  .quad   0
fork_address:   .quad   0
main_address:   .quad   0
search_transtab: .quad  0               # two functions of valgrind's
translate:      .quad   0
descriptors:    .long   0, 1, 2, 0, 2, 0
begin_patches:  .fill   12, 8, 0        # one patch of a cache line, then the end
end_patches:    .fill   16, 8, 0        # the same, and one of eight bytes
start_up_patches: .fill 8, 8, 0         # one of sixteen
filter:                                 # the seccomp filter follows
