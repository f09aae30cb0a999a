# A filter in Bash: snakepit up bash --adapter 'exec:bash examples/stdio/worker.sh'
# snakepit exec line item='some words' --pool bash
while IFS= read -r line; do
    words=($line)
    printf '%s words\n' "${#words[@]}"
done
