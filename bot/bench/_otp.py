"""Real OTP beside ours: how long its supervisor takes from a crash to the next incarnation."""

import shutil
import subprocess
from pathlib import Path

PROGRAMS = ("erl", "erlc")
SECONDS_MAX = 120
# A gen_server fails in a handler, as our actor does; the clock stops in the next incarnation's
# first callback. Logging is off, as it is for ours.
SOURCE = """
-module(crashes).
-behaviour(gen_server).
-export([main/1, init/1, start_worker/1, handle_call/3, handle_cast/2, handle_continue/2]).

main([Count]) ->
    logger:set_primary_config(level, none),
    process_flag(trap_exit, true),
    {ok, _} = supervisor:start_link(?MODULE, {supervisor, self()}),
    receive {up, Pid, _} -> crash(list_to_integer(Count), Pid) end,
    halt(0).

crash(0, _) -> ok;
crash(Left, Pid) ->
    gen_server:cast(Pid, fail),
    Crashed = receive {crashing, Pid, At} -> At end,
    receive {up, Next, Up} ->
        io:format("~p~n", [erlang:convert_time_unit(Up - Crashed, native, nanosecond)]),
        crash(Left - 1, Next)
    end.

init({supervisor, Main}) ->
    {ok, {#{intensity => 1000000, period => 1},
          [#{id => worker, start => {?MODULE, start_worker, [Main]}}]}};
init(Main) ->
    {ok, Main, {continue, up}}.

start_worker(Main) -> gen_server:start_link(?MODULE, Main, []).

handle_continue(up, Main) ->
    Main ! {up, self(), erlang:monotonic_time()},
    {noreply, Main}.

handle_cast(fail, Main) ->
    Main ! {crashing, self(), erlang:monotonic_time()},
    error(told_to).

handle_call(_, _, Main) -> {reply, ok, Main}.
"""


def is_here() -> bool:
    """Return whether Erlang is installed."""
    return all(shutil.which(program) for program in PROGRAMS)


def crash_to_running_us(folder: Path, count: int) -> list[float]:
    """Return how many microseconds each of `count` restarts took; compiles below `folder`."""
    source = folder / "crashes.erl"
    source.write_text(SOURCE)
    compile_it = ["erlc", "-o", str(folder), str(source)]
    subprocess.run(compile_it, check=True, timeout=SECONDS_MAX)  # noqa: S603 - no one else's words
    run_it = ["erl", "-noshell", "-pa", str(folder), "-run", "crashes", "main", str(count)]
    done = subprocess.run(  # noqa: S603 - as above
        run_it, check=True, timeout=SECONDS_MAX, capture_output=True, text=True
    )
    return [int(line) / 1_000 for line in done.stdout.split()]
