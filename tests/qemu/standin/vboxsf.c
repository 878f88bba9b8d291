// SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * A STAND-IN for the driver vboxsf, for tests in QEMU: it registers a file system type "vboxsf" whose mounts are
 * virtio-9p mounts of the share (9p's mount tag) that the source names.  9p passes over options that it does not know.
 * For Linux 6.1.
 */
#include <linux/fs.h>
#include <linux/module.h>

static struct file_system_type *p9;
static struct file_system_type standin = { .owner = THIS_MODULE, .name = "vboxsf" };

static int __init standin_init(void)
{
	p9 = get_fs_type("9p");
	if (!p9)
		return -ENODEV;
	standin.mount = p9->mount;
	standin.kill_sb = p9->kill_sb;
	standin.fs_flags = p9->fs_flags;
	standin.init_fs_context = p9->init_fs_context;
	standin.parameters = p9->parameters;
	return register_filesystem(&standin);
}

static void __exit standin_exit(void)
{
	unregister_filesystem(&standin);
	module_put(p9->owner);
}

module_init(standin_init);
module_exit(standin_exit);
MODULE_ALIAS_FS("vboxsf");
MODULE_SOFTDEP("pre: 9p 9pnet_virtio");
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("test stand-in for vboxsf, over 9p");
