using ManyHands.Tests.Pools;

namespace ManyHands.Tests.Faults;

/// <summary>How a worker comes to its end.</summary>
public enum CrashKind
{
    Sigkill,
    SegmentationFault,
    BadPointer,
    StackOverflow,
    FailFast,
    Exit,
    RawThread,
    AsyncVoid,

    /// <summary>An exception that can be caught, not an end: the function may fail and the worker go on.</summary>
    OutOfMemory,
}

/// <summary>What a worker was doing when it came.</summary>
public enum CrashMoment
{
    Starting,
    Idle,
    Decoding,
    InCall,
    WritingResult,
    AfterCall,
    Disposing,
    SingleWorker,
}

/// <summary>Ends of a worker, brought about from inside.</summary>
public static class Crash
{
    public const int ExitCode = 7;

    /// <summary>The heap that <see cref="CrashKind.OutOfMemory"/> is to run out of; set for its workers.</summary>
    public static IReadOnlyDictionary<string, string?> SmallHeap { get; } = new Dictionary<string, string?> { ["DOTNET_GCHeapHardLimit"] = "0x4000000" };

    public static (int? Signal, int? ExitCode) EndOf(CrashKind kind) => kind switch
    {
        CrashKind.Sigkill => (Signals.Kill, null),
        CrashKind.SegmentationFault => (Signals.SegmentationFault, null),
        CrashKind.Exit => (null, ExitCode),
        _ => (Signals.Abort, null),
    };

    /// <summary>Doesn't return. Only <see cref="CrashKind.OutOfMemory"/> throws.</summary>
    public static int Now(CrashKind kind)
    {
        switch (kind)
        {
            case CrashKind.Sigkill:
                Die.BySigkill();
                break;
            case CrashKind.SegmentationFault:
                Die.BySegmentationFault();
                break;
            case CrashKind.BadPointer:
                Die.ByBadPointer();
                break;
            case CrashKind.StackOverflow:
                Die.ByStackOverflow();
                break;
            case CrashKind.FailFast:
                Die.ByFailFast();
                break;
            case CrashKind.Exit:
                Environment.Exit(ExitCode);
                break;
            case CrashKind.RawThread:
                Die.ByRawThread();
                break;
            case CrashKind.AsyncVoid:
                ThrowFromAsyncVoid();
                Thread.Sleep(Timeout.Infinite);
                break;
            case CrashKind.OutOfMemory:
                FillTheHeap();
                break;
        }

        throw new InvalidOperationException($"{kind} did not end the process.");
    }

    /// <summary>Opens a gate, waits for another, and crashes.</summary>
    public static int When(CrashKind kind, string opens, string waits)
    {
        Gate.Open(opens);
        Gate.Wait(waits);
        return Now(kind);
    }

    /// <summary>Leaves a thread behind that waits for a gate and crashes; returns the process id.</summary>
    public static int Later(CrashKind kind, string waits)
    {
        new Thread(() =>
        {
            Gate.Wait(waits);
            Now(kind);
        })
        { IsBackground = true }.Start();
        return Environment.ProcessId;
    }

    // Nobody can catch it: that is the point.
    private static async void ThrowFromAsyncVoid()
    {
        await Task.Yield();
        throw new InvalidOperationException("from async void");
    }

    private static void FillTheHeap()
    {
        List<byte[]> all = [];
        while (true)
            all.Add(new byte[1_000_000]);
    }
}

/// <summary>Crashes while values are read or written: set in workers by the pool's initializer, never in the tests' own process.</summary>
public static class Trap
{
    private static CrashKind kind;
    private static string? decoding;
    private static string? encoding;

    /// <summary>The pool's initializer. Crashes itself if that was asked for.</summary>
    public static void Arm(CrashKind how, string folder)
    {
        kind = how;
        decoding = Path.Combine(folder, nameof(CrashMoment.Decoding));
        encoding = Path.Combine(folder, nameof(CrashMoment.WritingResult));
        SpringIf(Path.Combine(folder, nameof(CrashMoment.Starting)));
    }

    public static void OnDecoding() => SpringIf(decoding);

    public static void OnEncoding() => SpringIf(encoding);

    /// <summary>Crashes in every worker that was armed.</summary>
    public static void OnPoison()
    {
        if (decoding is not null)
            Crash.Now(kind);
    }

    // Whoever takes the file away crashes, so that one crash is one.
    private static void SpringIf(string? path)
    {
        if (path is null)
            return;
        try
        {
            File.Move(path, path + ".sprung");
        }
        catch (FileNotFoundException)
        {
            return;
        }

        Crash.Now(kind);
    }
}

/// <summary>An argument whose reading may crash. What comes before the trap makes sure that part of it is read by then.</summary>
public sealed class TrappedArgument
{
    public TrappedArgument() => Trap.OnDecoding();

    public byte[] Large { get; set; } = [];
}

/// <summary>A result whose writing may crash, after a good part of it was written.</summary>
public sealed class TrappedResult
{
    public byte[] Large { get; set; } = new byte[1_000_000];

    public int Answer
    {
        get
        {
            Trap.OnEncoding();
            return field;
        }
        set;
    }
}

/// <summary>An argument that kills every worker that reads it.</summary>
public sealed class PoisonedArgument
{
    public PoisonedArgument() => Trap.OnPoison();

    public int Number { get; set; }
}
