# A worker in R: snakepit up r --adapter 'exec-json:Rscript examples/stdio/worker.R'
library(jsonlite)

say <- function(value) {
  cat(toJSON(value, auto_unbox = TRUE, digits = NA, null = "null"), "\n", sep = "")
  flush(stdout())
}

commands <- list(
  summary = function(args) as.list(summary(unlist(args$values))),
  add = function(args) args$a + args$b
)

say(list(hello = list(language = "r", commands = as.list(names(commands)))))
input <- file("stdin", "r")
while (length(line <- readLines(input, n = 1)) > 0) {
  request <- fromJSON(line, simplifyVector = FALSE)
  if (!is.null(request$cancel)) next
  tryCatch(
    say(list(id = request$id, result = commands[[request$command]](request$args))),
    error = function(e) say(list(id = request$id, error = list(type = class(e)[1], message = conditionMessage(e))))
  )
}
