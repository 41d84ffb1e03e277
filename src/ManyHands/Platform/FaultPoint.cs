using System.Diagnostics;
#if DEBUG
using System.Globalization;
#endif

namespace ManyHands.Platform;

/// <summary>What happens to a process at a step.</summary>
internal enum Fault
{
    /// <summary>SIGKILL: it ends there, and none of its code runs any more.</summary>
    Kill,

    /// <summary>SIGSTOP: all its threads stand still until somebody continues it.</summary>
    Stop,

    /// <summary>The thread that is there sleeps, with whatever locks it holds.</summary>
    Delay,
}

/// <summary>
/// Faults on order, for tests: a process that comes by a <see cref="FaultStep"/> it was armed for is killed, stopped or delayed right there. In debug builds
/// only; in others nothing of it is left, not even the calls.
/// </summary>
/// <remarks>
/// A test arms its own process with <c>Arm</c>. It reaches children through <c>FaultOrders</c> in a directory that the environment variable
/// <c>MANYHANDS_FAULTS</c> names: they look there at every step, so that one order holds for whichever of them comes first, in the middle of its life or at its very
/// start.
/// </remarks>
internal static class FaultPoint
{
#if DEBUG
    /// <summary>Names a directory for the orders and the file below. Children inherit it.</summary>
    public const string Variable = "MANYHANDS_FAULTS";

    /// <summary>Names a <see cref="GuardedEntry"/> at which a child throws when it comes by for the first time. Children inherit it.</summary>
    public const string ThrowVariable = "MANYHANDS_THROW";

    /// <summary>In the directory: the process, the side, the step and the fault, written right before it happens.</summary>
    public const string FiredFile = "fired";

    private static readonly string? Directory = Environment.GetEnvironmentVariable(Variable);
    private static readonly Lock Gate = new();
    private static FaultOrder? armed;
    private static ThrowOrder? armedThrow;
    private static FaultHold? held;
    private static int[]? trace;
    private static bool inChild;
    private static volatile bool watched = Directory is not null;

    [ThreadStatic]
    private static bool isAside;

    /// <summary>What a process with that directory shares with its children; null in others.</summary>
    public static FaultOrders? Orders { get; } = Directory is null ? null : new FaultOrders(Directory);
#endif

    /// <summary>The process is at that step now.</summary>
    [Conditional("DEBUG")]
    public static void Reach(FaultStep step)
    {
#if DEBUG
        if (watched && !isAside)
            Look(step);
#endif
    }

    /// <summary>Code of ours begins there now, without a caller.</summary>
    [Conditional("DEBUG")]
    public static void Enter(GuardedEntry entry)
    {
#if DEBUG
        if (watched)
            Throw(null, entry);
#endif
    }

    /// <summary>What this thread does from here on is on no call's way, though it comes by the same code.</summary>
    [Conditional("DEBUG")]
    public static void StepAside()
    {
#if DEBUG
        isAside = true;
#endif
    }

    /// <summary>This process is a child; called first of all in it.</summary>
    [Conditional("DEBUG")]
    public static void EnterChild()
    {
#if DEBUG
        inChild = true;
        if (Environment.GetEnvironmentVariable(ThrowVariable) is { } entry)
            ArmThrow(Enum.Parse<GuardedEntry>(entry), static () => new InvalidOperationException("On order."));
#endif
    }

#if DEBUG
    /// <summary>Lets the fault happen to this process, once, when it reaches the step for that many times.</summary>
    public static void Arm(FaultStep step, Fault fault, int hits = 1, TimeSpan? delay = null)
    {
        lock (Gate)
        {
            armed = new FaultOrder(step, fault, hits, delay ?? TimeSpan.Zero);
            watched = true;
        }
    }

    /// <summary>Lets this process throw when it reaches the step for that many times, once.</summary>
    public static void ArmThrow(FaultStep step, Func<Exception> exception, int hits = 1) => Order(new ThrowOrder(step, null, exception, hits));

    /// <summary>Lets this process throw where that code of ours begins for that many times, once.</summary>
    public static void ArmThrow(GuardedEntry entry, Func<Exception> exception, int hits = 1) => Order(new ThrowOrder(null, entry, exception, hits));

    /// <summary>Takes back what <see cref="Arm"/> has ordered and didn't happen.</summary>
    public static void Disarm()
    {
        lock (Gate)
        {
            armed = null;
            armedThrow = null;
            watched = MayWatch;
        }
    }

    /// <summary>Whether what <see cref="Arm"/> has ordered hasn't happened yet.</summary>
    public static bool IsArmed
    {
        get
        {
            lock (Gate)
                return armed is not null || armedThrow is not null;
        }
    }

    /// <summary>Holds the next thread of this process that reaches the step there, until the hold is disposed of: so that a test can see to what it meets then.</summary>
    public static FaultHold Hold(FaultStep step)
    {
        FaultHold hold = new(step);
        lock (Gate)
        {
            held = hold;
            watched = true;
        }

        return hold;
    }

    /// <summary>Counts from now on how often this process comes by each step.</summary>
    public static void StartTrace()
    {
        lock (Gate)
        {
            trace = new int[Enum.GetValues<FaultStep>().Length];
            watched = true;
        }
    }

    /// <summary>The steps that it has come by, and how often; ends the counting.</summary>
    public static Dictionary<FaultStep, int> EndTrace()
    {
        lock (Gate)
        {
            int[] counts = trace ?? [];
            trace = null;
            watched = armed is not null || MayWatch;
            return counts.Select((count, step) => KeyValuePair.Create((FaultStep)step, count)).Where(pair => pair.Value > 0).ToDictionary();
        }
    }

    private static bool MayWatch => Directory is not null || trace is not null || armedThrow is not null || held is not null;

    private static void Look(FaultStep step)
    {
        if (Orders is { Records: true } orders)
            orders.Note(Side, step);
        FaultOrder? due;
        FaultHold? hold = null;
        lock (Gate)
        {
            if (trace is not null)
                trace[(int)step]++;
            if (held?.Step == step)
                (hold, held) = (held, null);
            due = TakeArmed(step) ?? (inChild ? Orders?.TryTake(step) : null);
        }

        if (due is not null)
            Suffer(due);
        hold?.Stay();
        Throw(step, null);
    }

    private static void Order(ThrowOrder order)
    {
        lock (Gate)
        {
            armedThrow = order;
            watched = true;
        }
    }

    private static void Throw(FaultStep? step, GuardedEntry? entry)
    {
        Func<Exception> exception;
        lock (Gate)
        {
            if (armedThrow is not { } order || order.Step != step || order.Entry != entry || --order.Hits > 0)
                return;
            exception = order.Exception;
            armedThrow = null;
            watched = armed is not null || MayWatch;
        }

        throw exception();
    }

    private sealed class ThrowOrder(FaultStep? step, GuardedEntry? entry, Func<Exception> exception, int hits)
    {
        public FaultStep? Step => step;

        public GuardedEntry? Entry => entry;

        public Func<Exception> Exception => exception;

        public int Hits { get; set; } = hits;
    }

    private static FaultOrder? TakeArmed(FaultStep step)
    {
        if (armed is null || armed.Step != step || --armed.Hits > 0)
            return null;
        FaultOrder due = armed;
        armed = null;
        watched = MayWatch;
        return due;
    }

    private static void Suffer(FaultOrder due)
    {
        if (Directory is not null)
        {
            string path = Path.Combine(Directory, FiredFile);
            File.WriteAllText($"{path}.{Environment.ProcessId}", string.Create(CultureInfo.InvariantCulture, $"{Environment.ProcessId} {Side} {due.Step} {due.Fault}"));
            File.Move($"{path}.{Environment.ProcessId}", path, overwrite: true);
        }

        switch (due.Fault)
        {
            case Fault.Delay:
                Thread.Sleep(due.Delay);
                break;
            case Fault.Stop when OperatingSystem.IsLinux():
                // To this very thread, so that it gets no further.
                _ = Linux.Raise(Linux.Sigstop);
                break;
            case Fault.Kill when OperatingSystem.IsLinux():
                _ = Linux.Raise(Linux.Sigkill);
                break;
            default:
                throw new PlatformNotSupportedException($"{due.Fault} needs Linux.");
        }
    }

    private static FaultSides Side => inChild ? FaultSides.Child : FaultSides.Parent;
#endif
}

#if DEBUG
/// <summary>A thread that waits at a step for as long as a test wants, or will when it comes by.</summary>
internal sealed class FaultHold(FaultStep step) : IDisposable
{
    private readonly TaskCompletionSource reached = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource released = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public FaultStep Step => step;

    /// <summary>Ends when a thread is there.</summary>
    public Task Reached => reached.Task;

    public void Stay()
    {
        reached.TrySetResult();
        released.Task.GetAwaiter().GetResult();
    }

    /// <summary>Lets it go on. One that comes by later isn't held.</summary>
    public void Dispose() => released.TrySetResult();
}
#endif
