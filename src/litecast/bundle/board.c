/* Runs forecast() of the windows in windows.h on a bare Cortex-M under qemu and writes, by semihosting, a line of each:
 * ticks of the SysTick timer, bytes of stack, what it said, and y as bits of float32, all in hexadecimal. */
#include <stdint.h>

#include "forecast.h"
#include "windows.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define PAINT 0xA5A5A5A5u
#define PAINTED 0x20000 /* bytes below what the caller has used */

extern uint32_t data_from, data_start, data_end, bss_start, bss_end, stack_top;
static float values[COUNT], y[FORECAST_H];

static void ask(int operation, const void *what)
{
    register int r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = what;
    __asm__ volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
}

static void write(uint32_t number)
{
    char text[10];
    for (int i = 0; i < 8; i++) text[i] = "0123456789abcdef"[number >> (28 - 4 * i) & 15];
    text[8] = ' ', text[9] = 0;
    ask(4, text);
}

static __attribute__((noinline)) void measure(int number)
{
    uint32_t *here = __builtin_frame_address(0), *low = here - PAINTED / 4, ticks;
    union { float as; uint32_t bits; } one;
    int said = 0;
    for (int i = 0; i < COUNT; i++) values[i] = given[number][i];
    __asm__ volatile("" : : "r"(values), "r"(y), "r"(lasts[number]), "r"(series[number]) : "memory"); /* read in any case */
    for (uint32_t *at = low; at < here - 64; at++) *at = PAINT;
    REGISTER(0xE000E018) = 0;
    ticks = REGISTER(0xE000E018);
#ifndef NOTHING
    said = forecast(values, COUNT, lasts[number], series[number], y);
#endif
    ticks = (ticks - REGISTER(0xE000E018)) & 0xFFFFFF;
    while (*low == PAINT) low++;
    write(ticks), write((uint32_t)((char *)here - (char *)low)), write((uint32_t)said);
    for (int i = 0; i < FORECAST_H; i++) one.as = y[i], write(one.bits);
    ask(4, "\n");
}

void reset(void)
{
    for (uint32_t *to = &data_start, *from = &data_from; to < &data_end;) *to++ = *from++;
    for (uint32_t *to = &bss_start; to < &bss_end;) *to++ = 0;
    REGISTER(0xE000E014) = 0xFFFFFF; /* SysTick: 24 bits, the clock of the core */
    REGISTER(0xE000E010) = 5;
    for (int number = 0; number < (int)(sizeof lasts / sizeof *lasts); number++) measure(number);
    ask(0x18, (const void *)0x20026);
}

/* The unit for floats has to be on before a function may save its registers. */
__attribute__((naked)) static void start(void)
{
#ifdef __ARM_FP
    REGISTER(0xE000ED88) |= 0xF << 20;
    __asm__ volatile("dsb\n isb");
#endif
    __asm__ volatile("b reset");
}

__attribute__((section(".vectors"), used)) static const void *const vectors[16] = {&stack_top, (void *)start};
