/* Cortex-M without an SDK: vector table, start, and semihosting, by which QEMU and debuggers print and end a program. */
#include <stdint.h>

#include "board.h"

extern uint32_t stack_top, data_start, data_end, data_stored, bss_start, bss_end;

void reset(void);
static void fault(void);

__attribute__((section(".vectors"), used)) static const uintptr_t vectors[16] = {
    (uintptr_t)&stack_top, (uintptr_t)reset, (uintptr_t)fault, (uintptr_t)fault,
};

static int call_host(int number, const void *argument)
{
    register int r0 __asm__("r0") = number;
    register const void *r1 __asm__("r1") = argument;

    __asm__ volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

void board_print(const char *text)
{
    call_host(0x04, text); /* SYS_WRITE0 */
}

void board_exit(int failed)
{
    call_host(0x18, (const void *)(failed ? 0x20023 : 0x20026)); /* SYS_EXIT: an error, or the application's own end */
    for (;;) {
    }
}

static void fault(void)
{
    board_print("fault\n");
    board_exit(1);
}

/* Ticks of SysTick, which counts down from 2^24 - 1. */
uint32_t board_ticks(void)
{
    volatile uint32_t *const systick = (volatile uint32_t *)0xE000E010;

    if ((systick[0] & 1U) == 0U) {
        systick[1] = 0xFFFFFFU;
        systick[2] = 0U;
        systick[0] = 5U; /* on, at the processor's clock, without an interrupt */
    }
    return 0xFFFFFFU - systick[2];
}

void reset(void)
{
    const uint32_t *from = &data_stored;
    uint32_t *to;

    for (to = &data_start; to != &data_end; to++) {
        *to = *from++;
    }
    for (to = &bss_start; to != &bss_end; to++) {
        *to = 0U;
    }
    board_exit(board_main());
}
