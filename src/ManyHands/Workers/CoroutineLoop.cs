using System.Diagnostics;
using System.Runtime.CompilerServices;
using ManyHands.Platform;

namespace ManyHands.Workers;

/// <summary>
/// The one thread that all coroutines of the process take turns on. It starts with the first coroutine and ends when there have been
/// none for a while.
/// </summary>
/// <remarks>
/// Each coroutine has a <see cref="SynchronizationContext"/> of its own, so that every continuation says whose it is; that is how a turn
/// that takes too long is reported by name.
/// </remarks>
internal static class CoroutineLoop
{
    private static readonly object Gate = new();
    // Two queues that change places: a batch is taken under one lock, and what it posts comes after it.
    private static Queue<Turn> waiting = new();
    private static Queue<Turn> batch = new();
    private static Thread? thread;
    private static int alive;

    // What the thread does now; read by the watch without a lock, so a report may be off by one turn, never wrong by name.
    private static Turn current;
    private static long currentSince;
    private static long turns;
    private static Deadline? watch;
    private static long reportedTurn = -1;

    public static event Action<BlockedReport>? Blocked;

    public static TimeSpan BlockedAfter { get; set; } = TimeSpan.FromMilliseconds(250);

    public static void Start(Coroutine coroutine)
    {
        Interlocked.Increment(ref alive);
        Post(new Turn(new CoroutineContext(coroutine), static state => ((Coroutine)state!).Begin(), coroutine));
    }

    /// <summary>Starts something that isn't a <see cref="Coroutine"/> object, such as a pool's call; it calls <see cref="Ended"/> at its end.</summary>
    /// <param name="name">Its name, for reports.</param>
    /// <param name="function">The function's.</param>
    /// <param name="callback">Its first turn.</param>
    /// <param name="state">For that.</param>
    /// <param name="failed">Ends it after a turn that has thrown.</param>
    public static void Start(string name, string function, SendOrPostCallback callback, object state, Action<object, Exception> failed)
    {
        Interlocked.Increment(ref alive);
        Post(new Turn(new NamedContext(name, function, state, failed), callback, state));
    }

    public static void Ended() => Interlocked.Decrement(ref alive);

    private static void Post(Turn turn)
    {
        lock (Gate)
        {
            waiting.Enqueue(turn);
            if (thread is null)
            {
                thread = Guarded.StartService(GuardedEntry.Coroutines, "ManyHands coroutines", Run);
            }
            else if (waiting.Count == 1)
            {
                Monitor.Pulse(Gate);
            }
        }
    }

    private static void Run()
    {
        // What was left when something was thrown between two turns.
        RunTurns();
        while (true)
        {
            lock (Gate)
            {
                while (waiting.Count == 0)
                {
                    if (!Monitor.Wait(Gate, IdleThreads.Time) && waiting.Count == 0 && Volatile.Read(ref alive) == 0)
                    {
                        thread = null;
                        watch?.Cancel();
                        watch = null;
                        return;
                    }
                }

                (batch, waiting) = (waiting, batch);
                watch ??= WatchNext();
            }

            RunTurns();
        }
    }

    private static void RunTurns()
    {
        while (batch.TryDequeue(out Turn turn))
        {
            current = turn;
            Volatile.Write(ref currentSince, Stopwatch.GetTimestamp());
            SynchronizationContext.SetSynchronizationContext(turn.Context);

            // A coroutine's own exceptions are in its task; but whatever is posted to its context comes by here, such as what an async void method throws.
            Guarded.Run(GuardedEntry.CoroutineTurn, turn, static turn => turn.Callback(turn.State), static turn => $"a turn of {turn.Context.Name}, which fails", static (turn, unforeseen) => turn.Context.Fail(unforeseen));
            long since = Volatile.Read(ref currentSince);
            Volatile.Write(ref currentSince, 0);
            if (Volatile.Read(ref reportedTurn) == turns)
                Report(turn, Stopwatch.GetElapsedTime(since), isOver: true);
            Volatile.Write(ref turns, turns + 1);
        }

        current = default;
    }

    private static Deadline? WatchNext() => BlockedAfter == Timeout.InfiniteTimeSpan
        ? null
        : Deadlines.After(BlockedAfter / 2, Watch, failed: static _ =>
        {
            lock (Gate)
                watch = null;
        });

    // On the deadlines' thread: looks twice per limit, so that a report comes at most half a limit late.
    private static void Watch()
    {
        long turn = Volatile.Read(ref turns);
        long since = Volatile.Read(ref currentSince);
        if (since != 0 && turn != Volatile.Read(ref reportedTurn))
        {
            TimeSpan blocked = Stopwatch.GetElapsedTime(since);
            Turn blocking = current;
            if (blocked >= BlockedAfter && blocking.Context is not null && turn == Volatile.Read(ref turns))
            {
                Volatile.Write(ref reportedTurn, turn);
                Report(blocking, blocked, isOver: false);
            }
        }

        lock (Gate)
        {
            if (watch is not null)
                watch = thread is not null && (waiting.Count > 0 || since != 0 || Volatile.Read(ref alive) > 0) ? WatchNext() : null;
        }
    }

    private static void Report(Turn turn, TimeSpan duration, bool isOver)
    {
        int behind;
        lock (Gate)
            behind = waiting.Count;
        BlockedReport report = new(turn.Context.Name, turn.Context.Function, RunningMethod(turn.State), duration, isOver, behind);

        // On a thread of the pool: a listener that takes its time delays neither deadlines nor coroutines.
        Guarded.Queue(
            GuardedEntry.BlockedReport,
            report,
            static report =>
            {
                if (Blocked is { } listeners)
                    listeners(report);
                else
                    Console.Error.WriteLine(report);
            },
            static report => $"the report: {report}");
    }

    // The continuation of an asynchronous method is the box of its state machine, or an Action on it; the box's type names the method.
    private static string? RunningMethod(object? state)
    {
        object? box = state is Action action ? action.Target : state;
        if (box?.GetType() is not { IsGenericType: true } type)
            return null;
        Type machine = type.GetGenericArguments()[^1];
        if (!typeof(IAsyncStateMachine).IsAssignableFrom(machine))
            return null;
        int end = machine.Name.IndexOf('>', StringComparison.Ordinal);
        return end > 1 && machine.DeclaringType is { } owner ? $"{owner.Name}.{machine.Name[1..end]}" : null;
    }

    private readonly record struct Turn(Context Context, SendOrPostCallback Callback, object? State);

    /// <summary>Whose turn a continuation is. The names are made when a report needs them.</summary>
    private abstract class Context : SynchronizationContext
    {
        public abstract string Name { get; }

        public abstract string Function { get; }

        /// <summary>Ends what the context belongs to, unless it has ended.</summary>
        public abstract void Fail(Exception unforeseen);

        public override void Post(SendOrPostCallback d, object? state) => CoroutineLoop.Post(new Turn(this, d, state));

        public override void Send(SendOrPostCallback d, object? state) =>
            throw new NotSupportedException("Waiting for the coroutines' thread would block the one who waits; use Post, or await.");

        public override SynchronizationContext CreateCopy() => this;
    }

    private sealed class CoroutineContext(Coroutine coroutine) : Context
    {
        public override string Name => coroutine.Name;

        public override string Function => coroutine.FunctionName;

        public override void Fail(Exception unforeseen) => coroutine.Fail(unforeseen);
    }

    private sealed class NamedContext(string name, string function, object state, Action<object, Exception> failed) : Context
    {
        public override void Fail(Exception unforeseen) => failed(state, unforeseen);

        public override string Name => name;

        public override string Function => function;
    }
}
