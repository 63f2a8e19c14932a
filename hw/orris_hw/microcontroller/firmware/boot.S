# From reset, and again for each program: of variables, none outlives one.
    .section .boot, "ax"
    .globl _start, restart
_start:
    lui sp, %hi(stack_top)
    addi sp, sp, %lo(stack_top)
    call boot
restart:
    lui sp, %hi(stack_top)
    addi sp, sp, %lo(stack_top)
    lui a0, %hi(state_begin)
    addi a0, a0, %lo(state_begin)
clear:
    sw zero, 0(a0)
    addi a0, a0, 4
    bltu a0, sp, clear
    call run_program
