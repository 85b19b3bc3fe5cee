/* One layer, y = W x, 8-bit weights of which a share is not zero, in the forms that memory may hold it in. KERNEL: 0 dense,
 * 1 four bits (two a byte), 2 lists of column and value, 3 a bit for each weight, then values. forecast() is what
 * litecast.bundle.device measures: values are x. With FORECAST_INT8 x is rounded to 8 bit first, in every form. */
#include "forecast.h"

#include <stdint.h>

#ifdef FORECAST_INT8
#define OF int8_t
#else
#define OF float
#endif
#include "weights.h"

#ifdef FORECAST_INT8
typedef int32_t sum_type;
#define OF_X(j) x[j]
#else
typedef float sum_type;
#define OF_X(j) values[j]
#endif

static sum_type dot(const OF *x, const float *values, int i)
{
    sum_type sum = 0;
    (void)x, (void)values;
#if KERNEL == 0
    const int8_t *code = dense + i * N;
    for (int j = 0; j < N; j++) sum += (sum_type)code[j] * OF_X(j);
#elif KERNEL == 1
    const int8_t *pair = (const int8_t *)packed + i * (N / 2);
    for (int j = 0; j < N; j += 2, pair++) {
        sum += (sum_type)((int8_t)(*pair * 16) >> 4) * OF_X(j);
        sum += (sum_type)(*pair >> 4) * OF_X(j + 1);
    }
#elif KERNEL == 2
    for (int k = starts[i]; k < starts[i + 1]; k++) sum += (sum_type)kept[k] * OF_X(columns[k]);
#else
    const int8_t *code = kept + starts[i];
    for (int word = 0; word < N / 32; word++)
        for (uint32_t left = bits[i * (N / 32) + word]; left; left &= left - 1) /* from the highest bit on: CLZ */
        {
            int j = __builtin_clz(left & -left);
            sum += (sum_type)*code++ * OF_X(word * 32 + 31 - j);
        }
#endif
    return sum;
}

int forecast(const float *values, int count, const forecast_time *last, int series, float *y)
{
    OF x[N];
    float scale = 1.0f;
    (void)count, (void)last, (void)series;
#ifdef FORECAST_INT8
    float most = 0.0f;
    for (int j = 0; j < N; j++) most = values[j] > most ? values[j] : -values[j] > most ? -values[j] : most;
    for (int j = 0; j < N; j++) x[j] = (int8_t)(values[j] * (127.0f / most) + (values[j] < 0.0f ? -0.5f : 0.5f));
    scale = most / 127.0f;
#endif
    for (int i = 0; i < FORECAST_H; i++) y[i] = (float)dot(x, values, i) * scale;
    return 0;
}
