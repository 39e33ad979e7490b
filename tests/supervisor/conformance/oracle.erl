%% Runs scripts through OTP's own supervisor and prints what came of each step, one line a step.
%%
%% erl -noshell -pa DIR -run oracle main SCRIPTS
%% SCRIPTS holds Erlang terms {Strategy, Intensity, [Step]}; a step is {Act, Name, How}. Under
%% {simple_one_for_one, Restart} children have no ids: a name is what they were started with.
-module(oracle).
-export([main/1, init/1, start_child/1, child/2]).

main([Path]) ->
    logger:set_primary_config(level, none),
    ets:new(log, [public, named_table, ordered_set]),
    ets:new(plan, [public, named_table, set]),
    ets:new(pids, [public, named_table, set]),
    {ok, Scripts} = file:consult(Path),
    lists:foreach(fun run/1, Scripts),
    halt(0).

run({Strategy, Intensity, Steps}) ->
    ets:delete_all_objects(log),
    ets:delete_all_objects(plan),
    ets:delete_all_objects(pids),
    process_flag(trap_exit, true),
    {ok, Sup} = supervisor:start_link(?MODULE, {Strategy, Intensity}),
    steps(Sup, is_tuple(Strategy), Steps),
    stop(Sup),
    io:format("end~n").

init({{simple_one_for_one, Restart}, Intensity}) ->
    Template = #{id => template, start => {?MODULE, start_child, []}, restart => Restart,
                 shutdown => 1000},
    {ok, {#{strategy => simple_one_for_one, intensity => Intensity, period => 3600}, [Template]}};
init({Strategy, Intensity}) ->
    {ok, {#{strategy => Strategy, intensity => Intensity, period => 3600}, []}}.

steps(_, _, []) ->
    ok;
steps(Sup, IsDynamic, [Step | Rest]) ->
    Result = case IsDynamic of true -> act_dynamic(Sup, Step); false -> act(Sup, Step) end,
    settle(Sup),
    Lines = [Line || {_, Line} <- ets:tab2list(log)],
    ets:delete_all_objects(log),
    {Children, Log} = case IsDynamic of
        true -> {dynamic(Sup), lists:sort(Lines)};
        false -> {children(Sup), Lines}
    end,
    io:format("~s|~s|~s~n", [Result, Children, lists:join(",", Log)]),
    case is_process_alive(Sup) of
        true -> steps(Sup, IsDynamic, Rest);
        false -> ok
    end.

act_dynamic(Sup, {start, Name, _}) -> result(supervisor:start_child(Sup, [Name]));
act_dynamic(Sup, {terminate, Name, _}) ->
    result(supervisor:terminate_child(Sup, known(Name)));
act_dynamic(Sup, {exit, Name, How}) ->
    Pid = known(Name),
    Running = [P || {_, P, _, _} <- supervisor:which_children(Sup)],
    case lists:member(Pid, Running) of
        true -> end_it(Pid, How);
        false -> "none"
    end;
act_dynamic(Sup, Step) -> act(Sup, Step).

%% Of a name that nobody has: a process that is none of its children.
known(Name) ->
    case ets:lookup(pids, Name) of
        [{Name, Pid}] -> Pid;
        [] -> self()
    end.

dynamic(Sup) ->
    case is_process_alive(Sup) of
        false -> "over";
        true ->
            Running = [P || {_, P, _, _} <- supervisor:which_children(Sup)],
            Names = [Name || {Name, Pid} <- ets:tab2list(pids), lists:member(Pid, Running)],
            lists:join(",", [atom_to_list(Name) ++ ":up" || Name <- lists:sort(Names)])
    end.

act(Sup, {start, Name, Restart}) ->
    result(supervisor:start_child(Sup, #{id => Name, start => {?MODULE, start_child, [Name]},
                                         restart => Restart, shutdown => 1000}));
act(Sup, {terminate, Name, _}) -> result(supervisor:terminate_child(Sup, Name));
act(Sup, {restart, Name, _}) -> result(supervisor:restart_child(Sup, Name));
act(Sup, {delete, Name, _}) -> result(supervisor:delete_child(Sup, Name));
act(_, {fail, Name, Times}) ->
    ets:insert(plan, {Name, Times}),
    "ok";
act(Sup, {exit, Name, How}) ->
    case pid(Sup, Name) of
        undefined -> "none";
        Pid -> end_it(Pid, How)
    end.

end_it(Pid, How) ->
    Ref = monitor(process, Pid),
    case How of
        killed -> exit(Pid, kill);
        _ -> Pid ! {die, How}
    end,
    receive {'DOWN', Ref, process, Pid, _} -> "ok" end.

result({ok, _}) -> "ok";
result(ok) -> "ok";
result({error, {already_started, _}}) -> "already_started";
result({error, Word}) when is_atom(Word), Word =/= told -> atom_to_list(Word);
result({error, _}) -> "start_failed".

pid(Sup, Name) ->
    case lists:keyfind(Name, 1, supervisor:which_children(Sup)) of
        {Name, Pid, _, _} when is_pid(Pid) -> Pid;
        _ -> undefined
    end.

%% The end of a child and the supervisor's messages to itself are on their way: wait until nothing
%% moves any more.
settle(Sup) -> settle(Sup, 0).

settle(Sup, Quiet) when Quiet > 5 -> Sup;
settle(Sup, Quiet) ->
    erlang:yield(),
    case is_process_alive(Sup) of
        false -> Sup;
        true ->
            try supervisor:which_children(Sup) of
                Children ->
                    Restarting = [Id || {Id, restarting, _, _} <- Children],
                    settle(Sup, case Restarting of [] -> Quiet + 1; _ -> 0 end)
            catch exit:_ ->
                receive after 1 -> ok end,
                settle(Sup, Quiet)
            end
    end.

children(Sup) ->
    case is_process_alive(Sup) of
        false -> "over";
        true ->
            lists:join(",", [[atom_to_list(Id), case is_pid(Pid) of true -> ":up"; _ -> ":down" end]
                             || {Id, Pid, _, _} <- lists:reverse(supervisor:which_children(Sup))])
    end.

stop(Sup) ->
    case is_process_alive(Sup) of
        true ->
            exit(Sup, shutdown),
            receive {'EXIT', Sup, _} -> ok end;
        false ->
            receive {'EXIT', Sup, _} -> ok after 0 -> ok end
    end.

start_child(Name) ->
    case ets:lookup(plan, Name) of
        [{Name, Left}] when Left > 0 ->
            ets:insert(plan, {Name, Left - 1}),
            {error, told};
        _ -> proc_lib:start_link(?MODULE, child, [self(), Name])
    end.

child(Sup, Name) ->
    process_flag(trap_exit, true),
    ets:insert(pids, {Name, self()}),
    note("start ", Name),
    proc_lib:init_ack(Sup, {ok, self()}),
    receive
        {die, Reason} -> exit(Reason);
        {'EXIT', _, Reason} ->
            note("stop ", Name),
            exit(Reason)
    end.

note(What, Name) ->
    Line = What ++ atom_to_list(Name),
    ets:insert(log, {erlang:unique_integer([monotonic]), Line}).
