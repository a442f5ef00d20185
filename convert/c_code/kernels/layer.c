typedef struct {
    const uint8_t *weights;
    const uint32_t *biases;
    const uint32_t *multipliers;
    const int8_t *shifts;
    uint32_t block_bytes; /* of the weights of four outputs */
    uint16_t source_rows, source_columns, source_channels;
    uint16_t rows, columns, channels;
    uint16_t kernel_rows, kernel_columns, runs, run_columns;
    uint16_t row_stride, column_stride, row_dilation, column_dilation, row_padding, column_padding;
    uint8_t source_zero, zero, low, high;
    uint8_t twice;      /* whether sums are rounded twice, as by LiteRT's convolutions */
    uint8_t relu;       /* whether negative sums give the lowest output */
    uint8_t half_bytes; /* whether weights have four bits */
    uint8_t padded;     /* whether windows reach beyond the input */
    uint8_t maximum;    /* whether a pool takes the largest value, not the mean */
} digits_layer;
