#if DEBUG
using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using ManyHands.Platform;
using ManyHands.Tests.Samples;
using Xunit;

namespace ManyHands.Tests.Faults;

/// <summary>
/// Something is thrown wherever code of the library begins without a caller, and at every step of a call's way: the process lives, what it was about has an outcome, the fault is reported, and the next call is as good as
/// any. Each round is in a process of its own, which would be dead otherwise.
/// </summary>
public sealed class UnforeseenTests : LeakChecked
{
    private const string Any = "*";
    private const int Tries = 20;
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan Deadline = TimeSpan.FromMinutes(LongRun.IsOn ? 60 : 5);

#pragma warning disable CA2201 // Whatever can be thrown: the runtime's own exceptions too.
    private static readonly Func<Exception>[] Kinds =
    [
        static () => new OutOfMemoryException(),
        static () => new ObjectDisposedException("something"),
        static () => new SharedObjectLostException("It is gone."),
        static () => new UnreadableException(),
        static () => new OperationCanceledException(),
        static () => new IOException("No."),
        static () => new InvalidDataException("Damaged."),
        static () => new NullReferenceException(),
        static () => new AggregateException(new UnreadableException()),
        static () => new ThreadInterruptedException(),
    ];
#pragma warning restore CA2201

    private static Pool? shared;

    /// <summary>Those of managers and storages have tests of their own.</summary>
    private static bool IsManagers(GuardedEntry entry) => entry.ToString() is var name && (name.StartsWith("Manager", StringComparison.Ordinal) || name.StartsWith("Remote", StringComparison.Ordinal) || name.StartsWith("Storage", StringComparison.Ordinal));

    /// <summary>What comes by each in this process, and what may come of it. The first run before any pool is there that keeps threads.</summary>
    private static readonly (GuardedEntry Entry, Func<Task<string>> Act, string[] Outcomes)[] Cases =
    [
        (GuardedEntry.Poller, static () => OnPool(1, Quiet, static pool => pool.RunAsync(Answer)), ["42"]),
        (GuardedEntry.Deadlines, static () => OnThreads(static pool => pool.RunAsync(Answer, new CallOptions { Timeout = TimeSpan.FromSeconds(10) })), ["42"]),
        (GuardedEntry.DeadlineCallback, static () => OnThreads(static pool => pool.RunAsync(Doze, 200, new CallOptions { Timeout = TimeSpan.FromMilliseconds(10), Grace = TimeSpan.FromMilliseconds(1) })), ["CallTimeoutException"]),
        (GuardedEntry.Link, static () => OnPool(1, Quiet, static pool => pool.RunAsync(Answer)), ["42"]),
        (GuardedEntry.DeadlineCallback, static () => Shared(static pool => pool.RunAsync(Doze, 60_000, new CallOptions { Timeout = TimeSpan.FromMilliseconds(10), Grace = TimeSpan.FromMilliseconds(1) })), ["CallTimeoutException", "UnsendableCallException", "WorkerCrashedException"]),
        (GuardedEntry.LinkFrame, static () => Shared(static pool => pool.RunAsync(Answer)), ["42", "WorkerCrashedException"]),
        (GuardedEntry.LinkEnd, static () => Shared(static pool => pool.RunAsync(Die)), ["WorkerCrashedException"]),
        (GuardedEntry.Feeding, static () => Shared(static pool => pool.RunAsync(Answer)), ["42", "UnsendableCallException"]),
        (GuardedEntry.Settling, static () => Shared(static pool => pool.RunAsync(Answer)), ["42"]),
        (GuardedEntry.PollerCallback, static () => Shared(static pool => pool.RunAsync(Die)), ["WorkerCrashedException"]),
        (GuardedEntry.PortableChild, static () => OnPool(1, Quiet with { Portable = true }, static pool => pool.RunAsync(Answer)), ["42"]),
        (GuardedEntry.PortableOutput, static () => OnPool(1, Quiet with { Portable = true }, static pool => pool.RunAsync(Answer)), ["42"]),
        (GuardedEntry.Coroutines, static () => OutcomeOf(static () => Awaited(Coroutine.Start(AnswerAsync))), ["42"]),
        (GuardedEntry.CoroutineTurn, static () => OutcomeOf(static () => Awaited(Coroutine.Start(AnswerAsync))), [Any]),
        (GuardedEntry.CoroutineRun, static () => OutcomeOf(static () => Awaited(Coroutine.Start(AnswerAsync))), [Any]),
        (GuardedEntry.CoroutineCall, static () => OutcomeOf(async static () =>
        {
            await using Pool pool = Pool.Coroutines(1);
            return await pool.RunAsync(AnswerAsync);
        }), ["UnsendableCallException"]),
        (GuardedEntry.BlockedReport, static () => OutcomeOf(async static () =>
        {
            Coroutine.BlockedAfter = TimeSpan.FromMilliseconds(10);
            return await Coroutine.Start(static () =>
            {
                Thread.Sleep(60);
                return Task.FromResult(42);
            });
        }), ["42"]),
        (GuardedEntry.Waits, static () => OutcomeOf(async static () =>
        {
            using SharedEvent never = new();
            return await never.TryWaitAsync(TimeSpan.FromMilliseconds(30));
        }), ["False"]),
        (GuardedEntry.WaitCancellation, static () => OutcomeOf(async static () =>
        {
            using SharedEvent never = new();
            using CancellationTokenSource stop = new(TimeSpan.FromMilliseconds(20));
            return await never.TryWaitAsync(TimeSpan.FromSeconds(60), stop.Token);
        }), [Any]),
        (GuardedEntry.WaitCancellation, static () => OutcomeOf(static () =>
        {
            using SharedEvent never = new();
            using CancellationTokenSource stop = new(TimeSpan.FromMilliseconds(20));
            return Task.FromResult(never.TryWait(TimeSpan.FromSeconds(60), stop.Token));
        }), ["OperationCanceledException"]),
        (GuardedEntry.Sending, static () => OnPool(1, Quiet with { Transport = WorkerTransport.Sockets }, static pool => pool.RunAsync(Length, new byte[8 << 20])), ["8388608", "WorkerCrashedException"]),
        (GuardedEntry.WorkerThread, static () => OutcomeOf(static () => Awaited(WorkerThread.Start(Answer))), [Any]),
        (GuardedEntry.DeepValue, static () => Shared(static pool => pool.RunAsync(Depth, Nested.Of(60))), [Any]),
        (GuardedEntry.CallCancellation, static () => Canceled(static token => shared!.RunAsync(DozeUntil, token)), [Any]),
        (GuardedEntry.CallCancellation, static () => OnThreads(static pool => Canceled(token => pool.RunAsync(DozeUntil, token))), [Any]),
        (GuardedEntry.CallCancellation, static () => OutcomeOf(async static () =>
        {
            await using Pool pool = Pool.Inline();
            return await Canceled(token => pool.RunAsync(DozeUntilAsync, token));
        }), [Any]),
        (GuardedEntry.Progress, static () => Shared(static pool => pool.RunAsync(Report, (IProgress<int>)new Receiver(0))), ["UnsendableCallException"]),
        (GuardedEntry.Progress, static () => Shared(static pool =>
        {
            IProgress<int> progress = new Receiver(0);
            return pool.MapAsync(item => Report(progress, item), [1, 2, 3]).CountAsync().AsTask();
        }), [Any]),
        (GuardedEntry.CallCompletion, static () => OutcomeOf(static () => Awaited(WorkerProcess.Start(Report, (IProgress<int>)new Receiver(300)))), [Any]),
        (GuardedEntry.ThreadedCall, static () => OnThreads(static pool => pool.RunAsync(Answer)), ["UnsendableCallException"]),
        (GuardedEntry.InlineCall, static () => OutcomeOf(async static () =>
        {
            await using Pool pool = Pool.Inline();
            return await pool.RunAsync(Answer);
        }), ["UnsendableCallException"]),
        (GuardedEntry.MapItem, static () => OnThreads(static pool => pool.MapAsync(Double, Enumerable.Range(0, 10)).CountAsync().AsTask()), ["10"]),
        (GuardedEntry.MapCancellation, static () => Canceled(static token => shared!.MapAsync(DozeUntil, Enumerable.Range(0, 100), null, token).CountAsync(CancellationToken.None).AsTask()), [Any]),
        (GuardedEntry.MapCancellation, static () => OnThreads(static pool => Canceled(token => pool.MapAsync(DozeUntil, Enumerable.Range(0, 100), null, token).CountAsync(CancellationToken.None).AsTask())), [Any]),
        (GuardedEntry.ScopeCancellation, static () => Canceled(async static token =>
        {
            await WorkerScope.RunAsync(
                static scope =>
                {
                    scope.Add(WorkerProcess.Start(Doze, 60_000));
                    return Task.CompletedTask;
                },
                token);
            return 0;
        }), [Any]),
        (GuardedEntry.ProcessEndSignal, static () => OutcomeOf(async static () =>
        {
            await using WorkerProcess<int> worker = WorkerProcess.Start(Doze, 100);
            return (await SharedWait.AnyAsync([worker], Bound)).Count;
        }), ["1"]),
        (GuardedEntry.BlockFinalizer, static () => Collect(static () => _ = new SharedArray<int>(10)), ["42"]),
        (GuardedEntry.BlockNames, static () => Collect(static () => _ = SharedObject.OpenOrCreate($"unforeseen-{Guid.NewGuid():N}", static () => new SharedArray<int>(10))), ["42"]),
        (GuardedEntry.PipeFinalizer, static () => Collect(static () => _ = SharedPipe.CreateSimplex<int>()), ["42"]),
        (GuardedEntry.DeadlineCallback, static () => OutcomeOf(async static () =>
        {
            using SharedQueue<SharedArray<int>> queue = new();
            using SharedArray<int> array = new(10);
            queue.Enqueue(array);
            await Task.Delay(30);
            queue.Dequeue().Dispose();
            return 42;
        }), ["42"]),
    ];

    /// <summary>What comes by each in a worker, which must be told in advance. Nothing there ends the process that has started it.</summary>
    private static readonly (GuardedEntry Entry, Func<Task<string>> Act, string[] Outcomes)[] WorkerCases =
    [
        (GuardedEntry.WorkerCalls, static () => OnPool(1, Quiet, static pool => pool.RunAsync(Answer)), ["PoolBrokenException", "WorkerCrashedException"]),
        (GuardedEntry.WorkerListener, static () => OnPool(1, Quiet, static pool => pool.RunAsync(Answer)), ["PoolBrokenException", "WorkerCrashedException", "42"]),
        (GuardedEntry.ParentWatch, static () => OnPool(1, Quiet with { Portable = true }, static pool => pool.RunAsync(Answer)), ["PoolBrokenException", "WorkerCrashedException", "42"]),
        (GuardedEntry.WorkerPreparation, static () => OnPool(1, Quiet, static pool => pool.RunAsync(Answer)), ["42"]),
        (GuardedEntry.WorkerSignal, Terminated, ["OperationCanceledException", "TaskCanceledException"]),
        (GuardedEntry.WorkerTermination, Terminated, ["OperationCanceledException", "TaskCanceledException"]),
        (GuardedEntry.ProcessExit, static () => OutcomeOf(async static () =>
        {
            await using WorkerProcess<int> worker = WorkerProcess.Start(OpenName, $"unforeseen-{Guid.NewGuid():N}");
            return await worker;
        }), ["42"]),
    ];

    private static ProcessPoolOptions Quiet => new() { Output = static _ => { } };

    [Fact]
    public void EveryEntry_HasACase() => Assert.Empty(Enum.GetValues<GuardedEntry>().Where(entry => !IsManagers(entry)).Except(Cases.Select(one => one.Entry)).Except(WorkerCases.Select(one => one.Entry)));

    [Fact]
    public void EveryEntry_IsInTheTable()
    {
        string table = File.ReadAllText(Path.Combine(SampleProcess.RepositoryRoot(), "docs", "architecture.md"));
        Assert.All(Enum.GetValues<GuardedEntry>(), entry => Assert.Contains($"`{entry}`", table, StringComparison.Ordinal));
    }

    [Fact]
    public async Task WhatIsThrownWhereNobodyIsTold_EndsNothingButWhatItWasAbout()
    {
        string[] violations = await Task.WhenAll(InHost(static place => ThrowAtEntries(place, LongRun.IsOn)), InHost(ThrowInWorkers));
        Assert.True(violations.All(string.IsNullOrEmpty), string.Join(Environment.NewLine, violations));
    }

    [Theory]
    [MemberData(nameof(Transports.All), MemberType = typeof(Transports))]
    public async Task WhatIsThrownAtAStepOfACallsWay_LeavesNoCallWithoutAnOutcome(TransportUnderTest transport) =>
        Assert.Equal("", await InHost(place => ThrowAtSteps(place, transport, LongRun.IsOn)));

    /// <param name="sweep">Gets the name of a file for the place where it is, and returns what it has found.</param>
    private static async Task<string> InHost(Func<string, Task<string>> sweep)
    {
        using Gate place = new();
        await using WorkerProcess<string> host = WorkerProcess.Start(sweep, place.Path);
        return await host.JoinAsync(Deadline, TestContext.Current.CancellationToken)
            ? await host
            : throw new TimeoutException($"The host doesn't end. It is at: {File.ReadAllText(place.Path)}");
    }

    private static async Task<string> ThrowAtEntries(string place, bool all)
    {
        IdleThreads.Time = TimeSpan.FromMilliseconds(10);
        ConcurrentQueue<InternalFaultReport> reports = [];
        Pool.InternalFault += reports.Enqueue;
        List<string> violations = [];
        int number = 0;
        foreach ((GuardedEntry entry, Func<Task<string>> act, string[] outcomes) in Cases)
        {
            if (entry == GuardedEntry.Link)
                shared ??= Pool.Processes(1, Quiet);
            number++;
            foreach (int kind in all || entry is GuardedEntry.LinkFrame or GuardedEntry.Progress ? Enumerable.Range(0, Kinds.Length) : [number % Kinds.Length])
            {
                string cell = $"{entry} ({number}), {Kinds[kind]().GetType().Name}";
                if (shared is not null && await OutcomeOf(static () => shared.RunAsync(Answer)) is not "42" and var dull)
                    violations.Add($"{cell}: before it, a call ended with {dull}");
                Note(place, cell);
                reports.Clear();
                FaultPoint.ArmThrow(entry, Kinds[kind]);
                for (int tries = 0; tries < Tries && FaultPoint.IsArmed; tries++)
                {
                    string outcome = await act();
                    if (outcome == "nothing" || (!outcomes.Contains(outcome) && outcomes[0] != Any))
                        violations.Add($"{cell}: ended with {outcome}");
                    if (FaultPoint.IsArmed)
                        await Task.Delay(25);
                }

                if (FaultPoint.IsArmed)
                    violations.Add($"{cell}: nothing comes by there");
                FaultPoint.Disarm();

                // What can't be understood is the worker's fault, and no news; what an engine has for an outcome anyway is its caller's.
                bool isOutcome = entry is GuardedEntry.DeepValue or GuardedEntry.CoroutineRun || (entry == GuardedEntry.LinkFrame && Kinds[kind]() is InvalidDataException);
                for (int waits = 0; waits < 200 && !isOutcome && !reports.Any(report => report.Entry == entry.ToString()); waits++)
                    await Task.Delay(10);
                if (!isOutcome && !reports.Any(report => report.Entry == entry.ToString()))
                    violations.Add($"{cell}: was not reported");
            }
        }

        await shared!.DisposeAsync();
        return string.Join(Environment.NewLine, violations);
    }

    private static async Task<string> ThrowInWorkers(string place)
    {
        List<string> violations = [];
        foreach ((GuardedEntry entry, Func<Task<string>> act, string[] outcomes) in WorkerCases)
        {
            Note(place, entry.ToString());
            Environment.SetEnvironmentVariable(FaultPoint.ThrowVariable, entry.ToString());
            string outcome = await act();
            if (!outcomes.Contains(outcome))
                violations.Add($"{entry}: ended with {outcome}");
        }

        Environment.SetEnvironmentVariable(FaultPoint.ThrowVariable, null);
        if (await OnPool(1, Quiet, static pool => pool.RunAsync(Answer)) is not "42" and var last)
            violations.Add($"The last call ended with {last}");
        return string.Join(Environment.NewLine, violations);
    }

    private static async Task<string> ThrowAtSteps(string place, TransportUnderTest over, bool all)
    {
        FaultTransports transport = over switch
        {
            TransportUnderTest.Portable => FaultTransports.Portable,
            TransportUnderTest.Sockets => FaultTransports.Sockets,
            _ => FaultTransports.SharedMemory,
        };
        Pool.InternalFault += static _ => { };
        List<string> violations = [];
        ProcessPoolOptions options = Quiet.Over(over) with
        {
            MaxCallsPerWorker = 150,
            ShutdownTimeout = TimeSpan.FromSeconds(10),
        };
        int number = 0;
        Pool? pool = null;
        foreach (FaultStep step in Enum.GetValues<FaultStep>())
        {
            ReachedByAttribute reached = typeof(FaultStep).GetField(step.ToString())!.GetCustomAttributes(false).OfType<ReachedByAttribute>().Single();
            bool isOnlyHere = transport == FaultTransports.SharedMemory || ((reached.Transports & FaultTransports.SharedMemory) == 0 && (transport == FaultTransports.Sockets || reached.Transports == FaultTransports.Portable));
            if ((reached.Sides & FaultSides.Parent) == 0 || (reached.Transports & transport) == 0 || !(all || isOnlyHere))
                continue;
            number++;
            foreach (int kind in all ? Enumerable.Range(0, Kinds.Length) : [number % Kinds.Length])
            {
                string cell = $"{step}, {Kinds[kind]().GetType().Name}";
                Note(place, cell);
                FaultPoint.ArmThrow(step, Kinds[kind]);
                pool ??= Pool.Processes(2, options);
                foreach (string outcome in await MixedCalls(pool))
                    violations.Add($"{cell}: {outcome}");
                if (await OutcomeOf(() => pool.RunAsync(Answer)) is not "42" and var last)
                    violations.Add($"{cell}: a call after it ended with {last}");

                // Most steps are come by with workers that are there; for the others it takes a pool's beginning or its end.
                if (!FaultPoint.IsArmed && number % 8 != 0)
                    continue;
                Task ended = pool.DisposeAsync().AsTask();
                if (await Task.WhenAny(ended, Task.Delay(Bound)) != ended || !ended.IsCompletedSuccessfully)
                    violations.Add($"{cell}: the pool's end failed");
                pool = null;
                FaultPoint.Disarm();
            }
        }

        if (pool is not null)
            await pool.DisposeAsync();

        return string.Join(Environment.NewLine, violations);
    }

    // Every way that a call can take, at a time. What is thrown may end any of them; but each ends, and no result is wrong.
    private static async Task<string[]> MixedCalls(Pool pool)
    {
        (string Name, Func<Task<string>> Act, string Right)[] calls =
        [
            ("a call", () => OutcomeOf(() => pool.RunAsync(Answer)), "42"),
            ("another", () => OutcomeOf(() => pool.RunAsync(Double, 3)), "6"),
            ("a map", () => OutcomeOf(async () => (await pool.MapAsync(Double, Enumerable.Range(1, 200)).ToListAsync()).SequenceEqual(Enumerable.Range(1, 200).Select(item => 2 * item))), "True"),
            ("a report", () => OutcomeOf(() => pool.RunAsync(Report, (IProgress<int>)new Receiver(0))), "1"),
            ("a large one", () => OutcomeOf(async () => (await pool.RunAsync(Echo, new byte[1 << 20])).Length), "1048576"),
            ("a cancelled one", () => OutcomeOf(() => Canceled(token => pool.RunAsync(DozeUntil, token))), "TaskCanceledException"),
            ("one too long", () => OutcomeOf(() => pool.RunAsync(Doze, 60_000, new CallOptions { Timeout = TimeSpan.FromMilliseconds(10), Grace = TimeSpan.FromMilliseconds(1) })), "CallTimeoutException"),
            ("a crash", () => OutcomeOf(() => pool.RunAsync(Die)), "WorkerCrashedException"),
        ];
        string[] outcomes = await Task.WhenAll(calls.Select(call => call.Act()));
        return [.. calls.Zip(outcomes).Where(pair => pair.Second != pair.First.Right && !pair.Second.EndsWith("Exception", StringComparison.Ordinal)).Select(pair => $"{pair.First.Name} ended with {pair.Second}")];
    }

    private static async Task<string> OutcomeOf<T>(Func<Task<T>> call)
    {
        try
        {
            Task<T> running = call();
            return await Task.WhenAny(running, Task.Delay(Bound)) == running ? $"{await running}" : "nothing";
        }
        catch (Exception failure)
        {
            return failure.GetType().Name;
        }
    }

    private static void Note(string place, string what) => File.AppendAllText(place, $"{what} {Environment.TickCount64 / 1000}{Environment.NewLine}");

    private static Task<string> Shared<T>(Func<Pool, Task<T>> call) => OutcomeOf(() => call(shared!));

    private static Task<string> OnPool<T>(int workers, ProcessPoolOptions options, Func<Pool, Task<T>> call) => OutcomeOf(async () =>
    {
        await using Pool pool = Pool.Processes(workers, options);
        return await call(pool).WaitAsync(Bound / 2);
    });

    private static Task<string> OnThreads<T>(Func<Pool, Task<T>> call) => OutcomeOf(async () =>
    {
        await using Pool pool = Pool.Threads(2);
        return await call(pool).WaitAsync(Bound / 2);
    });

    private static Task<string> Canceled<T>(Func<CancellationToken, Task<T>> call) => OutcomeOf(async () =>
    {
        // By a timer, whose thread has nobody who would catch anything.
        using CancellationTokenSource stop = new(TimeSpan.FromMilliseconds(50));
        return await call(stop.Token);
    });

    private static async Task<T> Awaited<T>(Coroutine<T> coroutine) => await coroutine;

    private static async Task<T> Awaited<T>(WorkerThread<T> worker) => await worker;

    private static async Task<T> Awaited<T>(WorkerProcess<T> worker) => await worker;

    private static Task<string> Terminated() => OutcomeOf(async static () =>
    {
        using Gate gate = new();
        await using WorkerProcess<int> worker = WorkerProcess.Start(OpenAndDoze, gate.Path);
        await gate.WaitAsync();
        worker.Terminate(TimeSpan.FromMilliseconds(300));
        return await worker;
    });

    private static async Task<string> Collect(Action make)
    {
        MakeApart(make);
        for (int i = 0; i < 3; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
            await Task.Delay(5);
        }

        return "42";
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void MakeApart(Action make) => make();

    private static int Answer() => 42;

    private static async Task<int> AnswerAsync()
    {
        await Task.Yield();
        return 42;
    }

    private static int Double(int item) => 2 * item;

    private static byte[] Echo(byte[] data) => data;

    private static int Length(byte[] data) => data.Length;

    private static int Depth(Nested value) => value.Inner is null ? 1 : 1 + Depth(value.Inner);

    private static int Doze(int milliseconds)
    {
        Thread.Sleep(milliseconds);
        return milliseconds;
    }

    private static int DozeUntil(CancellationToken token) => token.WaitHandle.WaitOne(60_000) ? throw new OperationCanceledException(token) : 0;

    private static int DozeUntil(int _, CancellationToken token) => DozeUntil(token);

    private static async Task<int> DozeUntilAsync(CancellationToken token)
    {
        await Task.Delay(60_000, token);
        return 0;
    }

    private static int OpenAndDoze(string gate)
    {
        Gate.Open(gate);
        return Doze(60_000);
    }

    private static int OpenName(string name)
    {
        _ = SharedObject.OpenOrCreate(name, static () => new SharedArray<int>(10));
        return 42;
    }

    private static int Report(IProgress<int> progress)
    {
        progress.Report(1);
        return 1;
    }

    private static int Report(IProgress<int> progress, int item)
    {
        progress.Report(item);
        return item;
    }

    private static int Die()
    {
        _ = Linux.Kill(Environment.ProcessId, Linux.Sigkill);
        return Doze(60_000);
    }

    private sealed class Receiver(int milliseconds) : IProgress<int>
    {
        public void Report(int value) => Thread.Sleep(milliseconds);
    }
}

/// <summary>As deep as one likes.</summary>
public sealed class Nested
{
    public Nested? Inner { get; set; }

    public static Nested Of(int levels) => new() { Inner = levels == 0 ? null : Of(levels - 1) };
}
#endif
