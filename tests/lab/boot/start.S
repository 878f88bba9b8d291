/* SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The multiboot header and entry of shim.c, and the way from 32-bit to 64-bit mode.
 */
        .code32
        .section .multiboot, "a"
        .align 4
        .long 0x1BADB002, 3, -(0x1BADB002 + 3)

        .text
        .globl _start
_start: cli
        mov $stack_top, %esp
        push %ebx                       /* the multiboot information */
        call main_32
1:      hlt
        jmp 1b

        /* enter_kernel(entry, zero page, page tables): never returns */
        .globl enter_kernel
enter_kernel:
        mov 4(%esp), %ebx
        mov 8(%esp), %esi
        mov 12(%esp), %eax
        mov %eax, %cr3
        mov %cr4, %eax
        or $0x20, %eax                  /* PAE */
        mov %eax, %cr4
        mov $0xC0000080, %ecx           /* EFER: long mode */
        rdmsr
        or $0x100, %eax
        wrmsr
        lgdt gdt_pointer
        mov %cr0, %eax
        or $0x80000001, %eax            /* paging and protection */
        mov %eax, %cr0
        ljmp $0x10, $long_mode
        .code64
long_mode:
        mov $0x18, %eax
        mov %eax, %ds
        mov %eax, %es
        mov %eax, %ss
        xor %eax, %eax
        mov %eax, %fs
        mov %eax, %gs
        mov %ebx, %ebx                  /* clears the upper halves */
        mov %esi, %esi
        jmp *%rbx

        .data
        .align 8
gdt:    .quad 0, 0, 0x00af9a000000ffff, 0x00cf92000000ffff
gdt_pointer:
        .word 31
        .long gdt

        .bss
        .align 16
        .skip 16384
stack_top:
        .section .note.GNU-stack, "", @progbits
