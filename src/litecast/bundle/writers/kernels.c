/* Parts of forecast.c: `c.py` takes those that a program needs. Each begins at a line "== name". */
== tensor
/* Weights as the model file holds them. Value i: of codes, scale[i / run] * code i; of indices, scale[index i]. */
typedef struct { const void *codes; const float *scale; uint32_t run; uint8_t kind; } tensor;
enum { INT4, INT8, INT16, TABLE, FLOAT };

static inline int nibble(const uint8_t *codes, uint32_t i) /* two a byte, the lower half first */
{
    return ((codes[i >> 1] >> (i & 1) * 4 & 15) ^ 8) - 8;
}

== value
static float value(const tensor *w, uint32_t i)
{
    switch (w->kind) {
    case INT4: return w->scale[i / w->run] * (float)nibble(w->codes, i);
    case INT8: return w->scale[i / w->run] * (float)((const int8_t *)w->codes)[i];
    case INT16: return w->scale[i / w->run] * (float)((const int16_t *)w->codes)[i];
    case TABLE: return w->scale[((const uint8_t *)w->codes)[i]];
    default: return ((const float *)w->codes)[i];
    }
}

== dot
#define SUM(term) for (; at < stop; at++, a++) part += (term) * *a

/* Of n weights from position `at` on, and a (n). */
static float dot(const tensor *w, uint32_t at, const float *a, int n)
{
    float sum = 0.0f;
    for (uint32_t end = at + (uint32_t)n; at < end;) {
        uint32_t group = at / w->run, stop = end - group * w->run > w->run ? (group + 1) * w->run : end;
        float part = 0.0f;
        switch (w->kind) {
        case INT4: SUM((float)nibble(w->codes, at)); break;
        case INT8: SUM((float)((const int8_t *)w->codes)[at]); break;
        case INT16: SUM((float)((const int16_t *)w->codes)[at]); break;
        case TABLE: SUM(w->scale[((const uint8_t *)w->codes)[at]]); break;
        default: SUM(((const float *)w->codes)[at]);
        }
        sum += w->kind < TABLE ? part * w->scale[group] : part;
    }
    return sum;
}

== whole_dot
#ifdef FORECAST_INT8
/* The same of whole numbers a (n), |a| <= 127, to be multiplied by the scale of a; weights are INT4 or INT8. */
static float whole_dot(const tensor *w, uint32_t at, const int8_t *a, int n)
{
    float sum = 0.0f;
    for (uint32_t end = at + (uint32_t)n; at < end;) {
        uint32_t group = at / w->run, stop = end - group * w->run > w->run ? (group + 1) * w->run : end;
        int32_t part = 0;
        if (w->kind == INT8) SUM(((const int8_t *)w->codes)[at]);
        else SUM(nibble(w->codes, at));
        sum += (float)part * w->scale[group];
    }
    return sum;
}
#endif

== map
/* out[i * stride] = weight row i . a (n) + bias i, if there is one, of each of the rows. */
static void map(const tensor *w, const tensor *bias, const float *a, int n, float *out, int rows, int stride)
{
#ifdef FORECAST_INT8
    if (w->kind <= INT8) { /* a in 8 bit, by its largest magnitude: off by 1/254 of it at most */
        int8_t whole[WIDEST];
        float most = 0.0f;
        for (int j = 0; j < n; j++) most = fabsf(a[j]) > most ? fabsf(a[j]) : most;
        float to = most > 0.0f ? 127.0f / most : 0.0f;
        for (int j = 0; j < n; j++) whole[j] = (int8_t)(a[j] * to + (a[j] < 0.0f ? -0.5f : 0.5f));
        for (int i = 0; i < rows; i++)
            out[i * stride] = whole_dot(w, (uint32_t)(i * n), whole, n) * (most / 127.0f)
                              + (bias ? value(bias, (uint32_t)i) : 0.0f);
        return;
    }
#endif
    for (int i = 0; i < rows; i++)
        out[i * stride] = dot(w, (uint32_t)(i * n), a, n) + (bias ? value(bias, (uint32_t)i) : 0.0f);
}

== average
static float average(const float *a, int n)
{
    float sum = 0.0f;
    for (int i = 0; i < n; i++) sum += a[i];
    return sum / (float)n;
}

== mean
static void mean(const float *a, int width, float *out, int size)
{
    for (int i = 0; i < size; i++) out[i] = average(a + i * width, width);
}

== spread
static void spread(const float *a, int n, float floor, float *out)
{
    float middle = average(a, n), sum = 0.0f;
    for (int i = 0; i < n; i++) sum += (a[i] - middle) * (a[i] - middle);
    *out = sqrtf(sum / (float)n) + floor;
}

== smooth
static void smooth(const float *a, int kernel, float *out, int size)
{
    for (int i = 0; i < size; i++) {
        float sum = 0.0f;
        for (int j = i - kernel / 2; j <= i + kernel / 2; j++) sum += a[j < 0 ? 0 : j < size ? j : size - 1];
        out[i] = sum / (float)kernel;
    }
}

== copy
static void copy(const float *a, float *out, int size)
{
    for (int i = 0; i < size; i++) out[i] = a[i];
}

== row
static void row(const tensor *w, int series, float *out, int size)
{
    for (int i = 0; i < size; i++) out[i] = value(w, (uint32_t)(series * size + i));
}

== rounded
static void rounded(const float *a, float scale, float least, float most, float *out, int size)
{
    for (int i = 0; i < size; i++) {
        float code = rintf(a[i] / scale);
        out[i] = scale * (code < least ? least : code > most ? most : code);
    }
}

== conv1d
/* a (in, wide), zeros beyond its ends -> (out, after). */
static void conv1d(const tensor *w, const tensor *bias, const float *a, int in, int wide, int kernel, int stride,
                   int dilation, int padding, float *out, int rows, int after)
{
    float seen[WIDEST]; /* what one position of the output looks at */
    for (int p = 0; p < after; p++) {
        for (int i = 0, j = 0; i < in; i++)
            for (int k = 0; k < kernel; k++, j++) {
                int at = p * stride + k * dilation - padding;
                seen[j] = at >= 0 && at < wide ? a[i * wide + at] : 0.0f;
            }
        map(w, bias, seen, in * kernel, out + p, rows, after);
    }
}

== sigmoid
static float sigmoid(float a)
{
    return 1.0f / (1.0f + expf(-a));
}

== gru
/* a (steps, n) -> the last state (h), or all (steps, h). */
static void gru(const tensor *ih, const tensor *hh, const tensor *bias_ih, const tensor *bias_hh, const float *a, int n,
                int steps, int last, float *out, int h)
{
    float state[HIDDEN] = {0}, given[4 * HIDDEN], kept[4 * HIDDEN];
    for (int t = 0; t < steps; t++) {
        map(ih, bias_ih, a + t * n, n, given, 3 * h, 1);
        map(hh, bias_hh, state, h, kept, 3 * h, 1);
        for (int i = 0; i < h; i++) {
            float r = sigmoid(given[i] + kept[i]), z = sigmoid(given[h + i] + kept[h + i]);
            float fresh = tanhf(given[2 * h + i] + r * kept[2 * h + i]);
            state[i] = fresh + z * (state[i] - fresh);
        }
        if (!last || t == steps - 1) copy(state, last ? out : out + t * h, h);
    }
}

== lstm
/* As gru. */
static void lstm(const tensor *ih, const tensor *hh, const tensor *bias_ih, const tensor *bias_hh, const float *a, int n,
                 int steps, int last, float *out, int h)
{
    float state[HIDDEN] = {0}, cell[HIDDEN] = {0}, given[4 * HIDDEN], kept[4 * HIDDEN];
    for (int t = 0; t < steps; t++) {
        map(ih, bias_ih, a + t * n, n, given, 4 * h, 1);
        map(hh, bias_hh, state, h, kept, 4 * h, 1);
        for (int i = 0; i < h; i++) {
            float in = sigmoid(given[i] + kept[i]), forget = sigmoid(given[h + i] + kept[h + i]);
            float fresh = tanhf(given[2 * h + i] + kept[2 * h + i]);
            cell[i] = forget * cell[i] + in * fresh;
            state[i] = sigmoid(given[3 * h + i] + kept[3 * h + i]) * tanhf(cell[i]);
        }
        if (!last || t == steps - 1) copy(state, last ? out : out + t * h, h);
    }
}

== waves
/* n values of `kept` coefficients c[0], c[stride], ... of an orthonormal cosine transform. cosines (4 n): of i quarters
 * of a turn by n, times the root of 2 / n. Value n - 1 - at differs from value `at` by the sign of the odd waves. */
static void waves(const cosine *cosines, unsigned n, const share *c, unsigned stride, unsigned kept, share *out)
{
    for (unsigned at = 0; at < (n + 1) / 2; at++) {
        total even = (total)c[0] * HALF(cosines[0]), odd = 0;
        unsigned step = 2 * at + 1, place = step; /* of the cosine of wave k: k steps, less whole turns */
        for (unsigned k = 1; k < kept; k += 2) {
            odd += (total)c[k * stride] * cosines[place];
            place += place + step < 4 * n ? step : step - 4 * n;
            if (k + 1 == kept) break;
            even += (total)c[(k + 1) * stride] * cosines[place];
            place += place + step < 4 * n ? step : step - 4 * n;
        }
        out[n - 1 - at] = BACK(even - odd);
        out[at] = BACK(even + odd);
    }
}

== fit
static void fit(const float *u, const float *x, int past, float ease, float *out, int size)
{
    float own = average(u, past), level = average(x, past), shared = 0.0f, width = 0.0f;
    for (int i = 0; i < past; i++) {
        shared += (x[i] - level) * (u[i] - own);
        width += (u[i] - own) * (u[i] - own);
    }
    float by = (shared / (float)past + ease) / (width / (float)past + ease);
    for (int i = 0; i < size; i++) out[i] = level + (u[i] - own) * by;
}

== lags
static void lags(const tensor *w, const float *a, int look, const uint8_t *types, int patch, int days, float *out, int size)
{
    for (int h = 0; h < size; h++) out[h] = 0.0f;
    for (int ahead = 0; ahead * patch < size; ahead++)
        for (int d = 0; d < days; d++) {
            float any[3], same[3]; /* weights of each day, and what days of the same type add */
            for (int i = 0; i < 3; i++) {
                uint32_t at = (uint32_t)((ahead * 2 * days + d) * 3 + i);
                any[i] = value(w, at);
                same[i] = any[i] + value(w, at + (uint32_t)days * 3);
            }
            for (int p = 0; p < patch && ahead * patch + p < size; p++) {
                int h = ahead * patch + p, at = look - (days - d) * patch + p;
                const float *by = types[at] == types[look + h] ? same : any;
                if (d > 0 || p > 0) out[h] += by[0] * a[at - 1];
                out[h] += by[1] * a[at];
                if (at + 1 < look) out[h] += by[2] * a[at + 1];
            }
        }
}

== usual
/* out[j] = the table's value of step steps[j] of type types[j], its first one at `first`. */
static void usual(const tensor *w, uint32_t first, const uint8_t *types, const uint8_t *steps, float *out, int size)
{
    for (int j = 0; j < size; j++) out[j] = value(w, first + (uint32_t)(types[j] * STEPS + steps[j]));
}

== coefficients plain
static float coefficients(const tensor *rows, const tensor *patterns, uint32_t block, share *c)
{
    for (uint32_t i = 0; i < HIGH * KEPT; i++) c[i] = value(rows, block * (HIGH * KEPT) + i);
    (void)patterns;
    return 1.0f;
}

== coefficients float
/* patterns (HIGH KEPT, RANK) */
static float coefficients(const tensor *rows, const tensor *patterns, uint32_t block, share *c)
{
    float by[RANK];
    for (uint32_t k = 0; k < RANK; k++) by[k] = value(rows, block * RANK + k);
    for (uint32_t i = 0; i < HIGH * KEPT; i++) c[i] = dot(patterns, i * RANK, by, RANK);
    return 1.0f;
}

== coefficients whole
/* patterns (HIGH KEPT, RANK); both have one scale, so that whole numbers are added. The few that 8 bits do not hold are
 * held as 8 bits and what is more: more (BEYOND), places (BEYOND). Returns what c is to be multiplied by. */
static float coefficients(const tensor *rows, const tensor *patterns, uint32_t block, share *c)
{
    const int8_t *code = patterns->codes;
    int32_t by[RANK];
    for (uint32_t k = 0; k < RANK; k++) by[k] = ((const ROW *)rows->codes)[block * RANK + k];
    for (int i = 0; i < HIGH * KEPT; i++) {
        int32_t sum = 0;
        for (int k = 0; k < RANK; k++) sum += by[k] * *code++;
        c[i] = (share)(sum * FINER);
    }
    for (int i = 0; i < BEYOND; i++) c[places[i] / RANK] += (share)(by[places[i] % RANK] * more[i] * FINER);
    return rows->scale[0] * patterns->scale[0] / (float)FINER;
}

== shares
/* What the usual week is made of: floats, or whole numbers and cosines of 15 bits. */
#if defined FORECAST_INT8 && WHOLE
typedef int32_t share;
typedef int64_t total;
typedef int16_t cosine;
#define FINER 16
#define COSINE(a) (int16_t)((a) * 32768.0f + ((a) < 0.0f ? -0.5f : 0.5f))
#define HALF(a) (a * 23170 >> 15)
#define BACK(a) (share)(((a) + 16384) >> 15)
#else
typedef float share, total, cosine;
#define FINER 1
#define COSINE(a) a
#define HALF(a) a * 0.70710678f
#define BACK(a) (a)
#endif

== usual_blocks
/* The same, of a table of blocks, each of HIGH types, that are made as they are needed. tall, wide: cosines along a
 * block's types and along its steps, where it is kept as coefficients of these. */
static void usual_blocks(const tensor *rows, const tensor *patterns, uint32_t block, const cosine *tall, const cosine *wide,
                         const uint8_t *types, const uint8_t *steps, float *out, int size)
{
    share c[HIGH * KEPT], line[STEPS > HIGH ? STEPS : HIGH];
    uint8_t seen[TYPES] = {0};
    for (int j = 0; j < size; j++) seen[types[j]] = 1;
    for (int first = 0; first < TYPES; first += HIGH, block++) {
        int any = 0;
        for (int a = 0; a < HIGH; a++) any |= seen[first + a];
        if (!any) continue;
        float unit = coefficients(rows, patterns, block, c);
        for (int k = 0; tall && k < KEPT; k++) {
            waves(tall, HIGH, c + k, KEPT, HIGH, line);
            for (int a = 0; a < HIGH; a++) c[a * KEPT + k] = line[a];
        }
        for (int a = 0; a < HIGH; a++) {
            const share *values = c + a * KEPT;
            if (!seen[first + a]) continue;
            if (wide) waves(wide, STEPS, values, 1, KEPT, line), values = line;
            for (int j = 0; j < size; j++)
                if (types[j] == first + a) out[j] = (float)values[steps[j]] * unit;
        }
    }
}

== day_of
static int32_t day_of(int year, int month, int day) /* from 1970-01-01 on; years begin in March */
{
    int y = year - (month < 3), m = (month + 9) % 12;
    return 365 * (int32_t)y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 719469;
}

== wave
/* sin(2 pi turns), 0 <= turns < 2, to 2e-7: the library's own takes kilobytes where its angle may be any. */
static float wave(float turns)
{
    float x = turns - (float)(int)(turns + 0.5f), s;
    x = x > 0.25f ? 0.5f - x : x < -0.25f ? -0.5f - x : x;
    s = x * x;
    return x * (6.2831853f + s * (-41.341702f + s * (81.605249f + s * (-76.705860f + s * (42.058694f
           + s * (-15.094643f + s * 3.8199526f))))));
}

== weekday
static int weekday(int32_t day) /* Monday 0 */
{
    return (int)((day + 3) % 7);
}

== year_of
static int year_of(int32_t day)
{
    int year = 1970 + (int)(day / 366);
    while (day >= day_of(year + 1, 1, 1)) year++;
    return day < day_of(year, 1, 1) ? year - 1 : year;
}

== month_of
static int month_of(int32_t day) /* January 1 */
{
    int year = year_of(day), month = 12;
    while (day < day_of(year, month, 1)) month--;
    return month;
}

== off
static int off(int32_t day) /* Is it a holiday? */
{
    int low = 0, high = HOLIDAYS;
    while (low < high) {
        int middle = (low + high) / 2;
        if (day - FIRST_DAY > (int32_t)holidays[middle]) low = middle + 1;
        else high = middle;
    }
    return low < HOLIDAYS && day - FIRST_DAY == (int32_t)holidays[low];
}

== in_row
static int in_row(int32_t day) /* Is it one of three holidays in a row or more? */
{
    int run = off(day);
    for (int32_t near = day - 1; run && run < 3 && off(near); near--) run++;
    for (int32_t near = day + 1; run && run < 3 && off(near); near++) run++;
    return run > 2;
}

== kind
/* 5 in a row of holidays, 4 holiday, 3 the day after such a row, 2 before it, 1 between days off, 0 ordinary. */
static int kind(int32_t day)
{
    if (off(day)) return in_row(day) ? 5 : 4;
    if (weekday(day) > 4) return 0;
    if (in_row(day - 1)) return 3;
    if (in_row(day + 1)) return 2;
    int before = off(day - 1), after = off(day + 1);
    return (before || after) && (before || weekday(day - 1) > 4) && (after || weekday(day + 1) > 4);
}

== next
static int32_t next(int32_t day, int way) /* weekday after (way 1) or before (way -1) a day */
{
    do day += way;
    while (weekday(day) > 4);
    return day;
}

== trade
static int32_t trade(int32_t day) /* the trading day after a day */
{
    do day = next(day, 1);
    while (off(day));
    return day;
}

== expires
static int expires(int32_t day) /* the month's EXPIRY_WHICH th EXPIRY_WEEKDAY, or the last trading day before it */
{
    int32_t first = day_of(year_of(day), month_of(day), 1);
    int32_t at = first + (EXPIRY_WEEKDAY - weekday(first) + 7) % 7 + 7 * (EXPIRY_WHICH - 1);
    while (off(at)) at = next(at, -1);
    return day == at;
}

== kind trading
/* 3 options expire, 2 after a weekday without trade, 1 before one, 0 ordinary. */
static int kind(int32_t day)
{
    if (EXPIRES(day)) return 3;
    return off(next(day, -1)) ? 2 : off(next(day, 1));
}

== span steps
/* Times are a fixed number of minutes apart. */
static void span(const forecast_time *last, calendar *c)
{
    int32_t day = day_of(last->year, last->month, last->day), minute = DAILY ? 0 : last->hour * 60 + last->minute;
    for (int i = 0; i < SPAN; i++) {
        int32_t at = minute + (i - FORECAST_L + 1) * (int32_t)MINUTES, days = at / 1440 - (at % 1440 < 0);
        put(c, i, day + days, (int)(at - days * 1440));
    }
}

== span months
/* Times are the first of each month. */
static void span(const forecast_time *last, calendar *c)
{
    for (int i = 0; i < SPAN; i++) {
        int month = last->year * 12 + last->month - 1 + i - FORECAST_L + 1;
        put(c, i, day_of(month / 12, month % 12 + 1, 1), 0);
    }
}

== span trading
/* Rows are when the caller says, what follows are weekdays that are no holidays of the file. */
static void span(const forecast_time *last, calendar *c)
{
    int32_t day = 0;
    for (int i = 0; i < SPAN; i++) {
        day = i < FORECAST_L ? day_of(last[i].year, last[i].month, last[i].day) : trade(day);
        put(c, i, day, 0);
    }
}

== dated
/* Types, steps and known inputs of the rows that are read and of the horizon. */
static int dated(const forecast_time *last, calendar *c)
{
    if (!last) return FORECAST_BAD_TIME;
    for (const forecast_time *at = last; at < last + FORECAST_TIMES; at++)
        if (at->year < 1970 || at->year > 2099 || at->month < 1 || at->month > 12 || at->day < 1 || at->day > 31
            || at->hour < 0 || at->hour > 23 || at->minute < 0 || at->minute > 59)
            return FORECAST_BAD_TIME;
    c->said = 0;
    span(last, c);
    return c->said;
}

== scaled
static float scaled(const float *values, int stride, int at, int series) /* NAN where it is missing */
{
    float value = values[at * stride];
#if LOG
    value = value > 0.0f ? logf(value) : NAN;
#endif
    return (value - means[series]) / deviations[series];
}

== filled
/* Of a missing value: that of whole seasons before, else the last before; of FORECAST_L rows, observed ones alone. */
static float filled(const float *values, int stride, int at, int series)
{
    for (int by = SEASON;; by = 1) {
        for (int back = by; back <= FORECAST_L && back <= at; back += by) {
            float value = scaled(values, stride, at - back, series);
            if (!isnan(value)) return value;
        }
        if (by == 1) return 0.0f;
    }
}

== window
/* The last FORECAST_L of `count` rows as the network reads them, x (FORECAST_L). */
static int window(const float *values, int stride, int count, int series, float *x)
{
    int said = 0;
    for (int i = 0; i < count; i++)
        if (isinf(values[i * stride])) return FORECAST_NOT_FINITE;
    for (int i = 0; i < FORECAST_L; i++) {
        x[i] = scaled(values, stride, count - FORECAST_L + i, series);
        if (!isnan(x[i])) continue;
        x[i] = filled(values, stride, count - FORECAST_L + i, series);
        said = count < FORECAST_HISTORY ? FORECAST_FEW_ROWS : 0;
    }
    return said;
}
