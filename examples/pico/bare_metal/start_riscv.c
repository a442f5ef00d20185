/* RISC-V (QEMU's virt board) without an SDK: start, and semihosting, by which QEMU prints and ends a program. */
#include <stdint.h>

#include "board.h"

extern uint32_t bss_start, bss_end;

void reset(void);

__attribute__((naked, section(".vectors"), used)) void entry(void)
{
    __asm__ volatile(".option push\n.option norelax\nla gp, __global_pointer$\n.option pop\nla sp, stack_top\nj reset");
}

static int call_host(int number, const void *argument)
{
    register int a0 __asm__("a0") = number;
    register const void *a1 __asm__("a1") = argument;

    __asm__ volatile(".option push\n.option norvc\n.balign 16\nslli x0, x0, 0x1f\nebreak\nsrai x0, x0, 7\n.option pop"
                     : "+r"(a0)
                     : "r"(a1)
                     : "memory");
    return a0;
}

void board_print(const char *text)
{
    call_host(0x04, text); /* SYS_WRITE0 */
}

void board_exit(int failed)
{
    const uint32_t reason[2] = {failed ? 0x20023U : 0x20026U, (uint32_t)failed};

    call_host(0x18, (const void *)reason[0]); /* SYS_EXIT */
    for (;;) {
    }
}

/* Instructions that were executed. */
uint32_t board_ticks(void)
{
    uint32_t count;

    __asm__ volatile("csrr %0, minstret" : "=r"(count));
    return count;
}

void reset(void)
{
    uint32_t *to;

    for (to = &bss_start; to != &bss_end; to++) {
        *to = 0U;
    }
    board_exit(board_main());
}
