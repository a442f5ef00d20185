#define _GNU_SOURCE
/* A plugin for QEMU's user emulation of aarch64: at each system call getppid it prints how many instructions the program has run.
 *
 *     gcc -shared -fPIC -O2 -o count_instructions.so count_instructions.c
 *     qemu-aarch64 -plugin file=count_instructions.so PROGRAM
 *
 * Exact where one thread runs at a time. Debian has no package with qemu-plugin.h, so what is used of version 1 of that interface
 * (QEMU 4.2 to 8.2) is declared here.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { ADD_U64 = 0, GETPPID = 173 };

typedef uint64_t plugin_id;
struct block;

void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id id, void (*translated)(plugin_id id, struct block *block));
void qemu_plugin_register_vcpu_tb_exec_inline(struct block *block, int operation, void *counter, uint64_t immediate);
void qemu_plugin_register_vcpu_syscall_cb(plugin_id id, void (*called)(plugin_id id, unsigned cpu, int64_t number));
size_t qemu_plugin_tb_n_insns(const struct block *block);

int qemu_plugin_version = 1;

static uint64_t instructions;

static void translated(plugin_id id, struct block *block)
{
    qemu_plugin_register_vcpu_tb_exec_inline(block, ADD_U64, &instructions, qemu_plugin_tb_n_insns(block));
}

static void called(plugin_id id, unsigned cpu, int64_t number) /* the call's arguments follow, and are left alone */
{
    if (number == GETPPID)
        dprintf(STDOUT_FILENO, "%llu\n", (unsigned long long)instructions);
}

int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv)
{
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_vcpu_syscall_cb(id, called);
    return 0;
}

/* numpy's sort draws its pivots by the processor time that was used so far. Preloaded into QEMU, this stops that clock. */
int clock_gettime(clockid_t clock, struct timespec *now)
{
    if (clock != CLOCK_PROCESS_CPUTIME_ID)
        return (int)syscall(SYS_clock_gettime, clock, now);
    *now = (struct timespec){0, 0};
    return 0;
}
