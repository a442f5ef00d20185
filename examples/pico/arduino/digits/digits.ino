// digits_small.h and digits_small.c lie beside this file: digits export small --out examples/pico/arduino/digits
#include "digits_small.h"

static uint8_t image[DIGITS_SMALL_PIXELS];

void setup() { Serial.begin(115200); }

void loop() {
  if (Serial.readBytes(reinterpret_cast<char *>(image), sizeof image) == sizeof image) Serial.println(digits_small_classify(image));
}
