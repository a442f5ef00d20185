/* Run the golden images of a model on a bare processor: how many logits are right, what an image costs, and how much stack it takes.
   Compile with -DDIGITS_SELF_TEST -DMODEL=digits_small, beside the files that digits export wrote. */
#include "board.h"

#define TEXT(name) #name
#define FILE_OF(name) TEXT(name##_test.c)
#define JOINED(name, part) name##part
#define FUNCTION(name, part) JOINED(name, part)
#define INCLUDED(name) FILE_OF(name)
#include INCLUDED(MODEL)

#define PAINT 0xA5A5A5A5U
#define DEPTH 512 /* words of stack that are looked at */

static void print_number(uint32_t number)
{
    char text[12];
    char *digit = text + sizeof text - 1;

    *digit = '\0';
    do {
        *--digit = (char)('0' + number % 10U);
        number /= 10U;
    } while (number != 0U);
    board_print(digit);
}

/* Bytes of stack that one image takes, found by painting it before. */
__attribute__((noinline)) static uint32_t stack_of(const uint8_t *image)
{
    volatile uint32_t *const here = (volatile uint32_t *)__builtin_frame_address(0) - 16;
    int8_t result[16];
    int depth;

    for (depth = 1; depth < DEPTH; depth++) {
        here[-depth] = PAINT;
    }
    FUNCTION(MODEL, _run)(image, result);
    for (depth = DEPTH - 1; depth > 0 && here[-depth] == PAINT; depth--) {
    }
    return 4U * (uint32_t)depth;
}

int board_main(void)
{
    const int right = FUNCTION(MODEL, _self_test)();
    int8_t result[16];
    int index;

    print_number((uint32_t)right);
    board_print(" of ");
    print_number(GOLDEN_IMAGES);
    board_print("\nticks");
    for (index = 0; index < GOLDEN_IMAGES; index++) {
        const uint32_t begin = board_ticks();

        FUNCTION(MODEL, _run)(golden_images[index], result);
        board_print(" ");
        print_number((board_ticks() - begin) & BOARD_TICKS);
    }
    board_print("\nstack ");
    print_number(stack_of(golden_images[0]));
    board_print("\n");
    return right != GOLDEN_IMAGES;
}
