# A worker in Perl: snakepit up perl --adapter 'exec-json:perl examples/stdio/worker.pl'
use strict;
use warnings;
use JSON::PP;

$| = 1;    # write each line at once
my $json = JSON::PP->new->canonical->allow_nonref;

sub say_line { print $json->encode($_[0]), "\n" }

my %commands = (
    add       => sub { my ($args) = @_; return $args->{a} + $args->{b} },
    countdown => sub {
        my ($args, $id) = @_;
        for (my $n = $args->{from}; $n > 0; $n--) { say_line({ id => $id, chunk => $n }) }
        return undef;
    },
);

say_line({ hello => { language => "perl", commands => [ "add", { name => "countdown", streaming => JSON::PP::true } ] } });
while (my $line = <STDIN>) {
    my $request = $json->decode($line);
    next if exists $request->{cancel};
    my $command = $commands{ $request->{command} };
    my $result  = eval { $command->($request->{args}, $request->{id}) };
    if   ($@) { say_line({ id => $request->{id}, error  => { type => "die", message => "$@" } }) }
    else      { say_line({ id => $request->{id}, result => $result }) }
}
