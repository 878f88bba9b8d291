/* SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * vblaunch --startvm NAME [VBoxHeadless options]: what VBoxHeadless does, on a machine without VirtualBox's kernel driver.
 *
 * VirtualBox has a driverless mode (its instruction interpreter, in ring 3); the stock VBoxHeadless never asks for it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define FOLDER "/usr/lib/virtualbox/"
#define SUPR3INIT_F_DRIVERLESS              (1u << 2)
#define SUPR3INIT_F_DRIVERLESS_IEM_ALLOWED  (1u << 3)

static void *library(const char *path)
{
    void *handle = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
    if (!handle) {
        fprintf(stderr, "vblaunch: %s\n", dlerror());
        exit(2);
    }
    return handle;
}

static void *symbol(void *handle, const char *name)
{
    void *address = dlsym(handle, name);
    if (!address) {
        fprintf(stderr, "vblaunch: %s\n", dlerror());
        exit(2);
    }
    return address;
}

int main(int argc, char **argv, char **envp)
{
    void *runtime = library(FOLDER "VBoxRT.so");
    int (*init_exe)(int, char ***, uint32_t) = symbol(runtime, "RTR3InitExe");
    int (*init_support)(uint32_t, void **) = symbol(runtime, "SUPR3InitEx");
    void *session = NULL;
    int status = init_exe(argc, &argv, 0);
    if (status >= 0)
        status = init_support(SUPR3INIT_F_DRIVERLESS | SUPR3INIT_F_DRIVERLESS_IEM_ALLOWED, &session);
    if (status < 0) {
        fprintf(stderr, "vblaunch: VirtualBox's run time does not start: status %d\n", status);
        return 3;
    }
    int (*trusted_main)(int, char **, char **) = symbol(library(FOLDER "VBoxHeadless.so"), "TrustedMain");
    return trusted_main(argc, argv, envp);
}
