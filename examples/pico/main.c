/* A Raspberry Pi Pico that answers over USB: 784 bytes in (28 rows of 28 pixels, 0 = background, 255 = ink), a line out: the label, then the
   logits. A pause of half a second within an image starts anew. */
#include <stdio.h>

#include "digits_small.h"
#include "pico/stdlib.h"

#define PAUSE_US 500000

int main(void)
{
    static uint8_t image[DIGITS_SMALL_PIXELS];
    int8_t logits[DIGITS_SMALL_CLASSES];
    int received = 0;

    stdio_init_all();
    for (;;) {
        const int byte = getchar_timeout_us(PAUSE_US);

        if (byte == PICO_ERROR_TIMEOUT) {
            received = 0;
            continue;
        }
        image[received++] = (uint8_t)byte;
        if (received == DIGITS_SMALL_PIXELS) {
            int index;

            received = 0;
            digits_small_run(image, logits);
            printf("%s", digits_small_labels[digits_small_classify(image)]);
            for (index = 0; index < DIGITS_SMALL_CLASSES; index++) {
                printf(" %d", logits[index]);
            }
            printf("\n");
        }
    }
}
