/* What start_arm.c and start_riscv.c give to main.c. */
#ifndef BOARD_H
#define BOARD_H

#include <stdint.h>

void board_print(const char *text);
void board_exit(int failed);
uint32_t board_ticks(void); /* of a counter that counts up to BOARD_TICKS */
int board_main(void);       /* in main.c; 0 if all is well */

#ifndef BOARD_TICKS
#define BOARD_TICKS 0xFFFFFFU
#endif

#endif
