/* SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A multiboot program between isolinux's mboot and a Linux kernel that is already unpacked.
 *
 * It gets two modules: the kernel as labkit/kernel.py packs it, and the initrd.  It lays out the kernel's segments, makes
 * a zero page and page tables, and enters the kernel's 64-bit entry point (Documentation/arch/x86/boot.rst,
 * "64-bit boot protocol").  The machine needs about 300 MB of memory.
 */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

struct multiboot_info {
    u32 flags, mem_lower, mem_upper, boot_device, cmdline, mods_count, mods_addr, syms[4], mmap_length, mmap_addr;
};
struct module {
    u32 start, end, string, reserved;
};

#define PACKED_AT    0x0A000000u    /* above the kernel's own place (16 MiB and up), below the initrd */
#define INITRD_AT    0x10000000u
#define ZERO_PAGE    0x00090000u
#define CMDLINE_AT   0x00091000u
#define PAGE_TABLES  0x00070000u
#define CMDLINE_MAX  2048
#define ZERO_FILL    0x80000000u

extern void enter_kernel(u32 entry, u32 zero_page, u32 page_tables);

/* Copy whole words; the areas may overlap. */
static void move(void *to, const void *from, u32 bytes)
{
    u32 words = (bytes + 3) / 4;
    if ((u32)to <= (u32)from || (u32)to >= (u32)from + bytes) {
        __asm__ volatile("cld; rep movsl" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
    } else {
        to = (u8 *)to + words * 4 - 4;
        from = (const u8 *)from + words * 4 - 4;
        __asm__ volatile("std; rep movsl; cld" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
    }
}

static void clear(u32 at, u32 bytes)
{
    u32 words = (bytes + 3) / 4;
    __asm__ volatile("cld; rep stosl" : "+D"(at), "+c"(words) : "a"(0) : "memory");
}

static void put_char(char c)
{
    u8 status;
    do {
        __asm__ volatile("inb %w1,%0" : "=a"(status) : "d"(0x3fd));
    } while (!(status & 0x20));
    __asm__ volatile("outb %0,%w1" : : "a"(c), "d"(0x3f8));
}

static void put_text(const char *text)
{
    for (; *text; text++) {
        if (*text == '\n')
            put_char('\r');
        put_char(*text);
    }
}

static void unpack_kernel(u32 *packed)
{
    u32 runs = packed[2];
    u8 *data = (u8 *)(packed + 3 + 2 * runs);
    for (u32 i = 0; i < runs; i++) {
        u32 at = packed[3 + 2 * i], length = packed[4 + 2 * i];
        if (length & ZERO_FILL) {
            clear(at, length & ~ZERO_FILL);
        } else {
            move((void *)at, data, length);
            data += length;
        }
    }
}

/* 4 GiB, each address to itself, in pages of 2 MiB. */
static void map_identity(void)
{
    u64 *top = (u64 *)PAGE_TABLES, *pointers = (u64 *)(PAGE_TABLES + 0x1000);
    clear(PAGE_TABLES, 6 * 4096);
    top[0] = (PAGE_TABLES + 0x1000) | 3;
    for (u32 i = 0; i < 4; i++) {
        u64 *directory = (u64 *)(PAGE_TABLES + 0x2000 + i * 0x1000);
        pointers[i] = (u32)directory | 3;
        for (u32 j = 0; j < 512; j++)
            directory[j] = ((u64)(i * 512 + j) << 21) | 0x83;
    }
}

void main_32(struct multiboot_info *info)
{
    struct module *modules = (struct module *)info->mods_addr;
    u32 kernel = modules[0].start, kernel_length = modules[0].end - modules[0].start;
    u32 initrd = modules[1].start, initrd_length = modules[1].end - modules[1].start;
    static char cmdline[CMDLINE_MAX];
    static u8 memory_map[1024];
    u32 map_length = info->mmap_length > sizeof memory_map ? sizeof memory_map : info->mmap_length;
    u8 *zero_page = (u8 *)ZERO_PAGE;
    u32 entries = 0, i;

    /* first all that the copies could overwrite; the command line begins with the program's name */
    char *given = (char *)info->cmdline;
    while (*given && *given != ' ')
        given++;
    while (*given == ' ')
        given++;
    for (i = 0; i < CMDLINE_MAX - 1 && given[i]; i++)
        cmdline[i] = given[i];
    move(memory_map, (void *)info->mmap_addr, map_length);

    move((void *)INITRD_AT, (void *)initrd, initrd_length);
    move((void *)PACKED_AT, (void *)kernel, kernel_length);
    unpack_kernel((u32 *)PACKED_AT);

    clear(ZERO_PAGE, 4096);
    *(u16 *)(zero_page + 0x1fe) = 0xaa55;
    *(u32 *)(zero_page + 0x202) = 0x53726448;       /* "HdrS" */
    *(u16 *)(zero_page + 0x206) = 0x020f;           /* version of the protocol */
    zero_page[0x210] = 0xff;                        /* loader: unknown */
    zero_page[0x211] = 1;                           /* loaded high */
    *(u32 *)(zero_page + 0x218) = INITRD_AT;
    *(u32 *)(zero_page + 0x21c) = initrd_length;
    *(u32 *)(zero_page + 0x228) = CMDLINE_AT;
    *(u32 *)(zero_page + 0x230) = 0x200000;         /* alignment */
    *(u32 *)(zero_page + 0x238) = CMDLINE_MAX - 1;
    for (i = 0; i < CMDLINE_MAX; i++)
        ((char *)CMDLINE_AT)[i] = cmdline[i];
    for (u32 at = 0; at + 24 <= map_length; at += *(u32 *)(memory_map + at) + 4, entries++)
        for (u32 j = 0; j < 20; j++)
            zero_page[0x2d0 + 20 * entries + j] = memory_map[at + 4 + j];
    zero_page[0x1e8] = entries;

    map_identity();
    put_text("\nshim: ");
    put_text(cmdline);
    put_text("\n");
    enter_kernel(((u32 *)PACKED_AT)[1], ZERO_PAGE, PAGE_TABLES);
}
