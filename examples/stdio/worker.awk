# A filter in awk: snakepit up awk --adapter 'exec:gawk -f examples/stdio/worker.awk'
# snakepit exec line item='1 2 3' --pool awk
{
    sum = 0
    for (i = 1; i <= NF; i++) sum += $i
    print sum
    fflush()
}
