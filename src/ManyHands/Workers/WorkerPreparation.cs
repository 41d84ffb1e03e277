using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ManyHands.Platform;

namespace ManyHands.Workers;

/// <summary>
/// What a child does on a thread of its own while it connects to its parent and awaits its first call: it takes over its signals, and loads what most calls need.
/// </summary>
#pragma warning disable CA1001 // It lives as long as its process.
internal sealed class WorkerPreparation
#pragma warning restore CA1001
{
    private static readonly TimeSpan FunctionsTime = TimeSpan.FromMilliseconds(500);

    private readonly ManualResetEventSlim signalsTaken = new();
    private PosixSignalRegistration[] signals = [];
    private volatile WorkerLoop? loop;

    public WorkerPreparation() => Guarded.StartThread(GuardedEntry.WorkerPreparation, "ManyHands preparation", Run, failed: _ => signalsTaken.Set());

    /// <summary>Whose calls a SIGTERM cancels.</summary>
    public WorkerLoop Loop
    {
        set => loop = value;
    }

    /// <summary>No function runs before a SIGTERM would cancel it.</summary>
    public void AwaitSignals()
    {
        if (!signalsTaken.IsSet)
            signalsTaken.Wait();
    }

    private void Run()
    {
        CompileSomething();
        TakeSignals();
        signalsTaken.Set();
        LoadProgram();
    }

    /// <summary>Loads the compiler, which the first function of a program's own will need; nothing of ours does. Code that asks for all optimizations isn't compiled ahead of time.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void CompileSomething()
    {
    }

    // A Ctrl-C is the parent's business, a SIGTERM ends a worker politely. Registered for as long as the process lives.
    private void TakeSignals()
    {
        signals =
        [
            Guarded.OnSignal(GuardedEntry.WorkerSignal, PosixSignal.SIGINT, static context => context.Cancel = true),
            Guarded.OnSignal(GuardedEntry.WorkerSignal, PosixSignal.SIGQUIT, static context => context.Cancel = true),
            Guarded.OnSignal(GuardedEntry.WorkerSignal, PosixSignal.SIGTERM, context =>
            {
                context.Cancel = true;
                Guarded.StartThread(GuardedEntry.WorkerTermination, "ManyHands termination", Terminate, failed: static _ => OwnEnd.ExitByTermination());
            }),
        ];
    }

    private void Terminate()
    {
        loop?.CancelRunning(FunctionsTime);
        OwnEnd.ExitByTermination();
    }

    /// <summary>Most functions are in the assembly that the deps file is named after.</summary>
    private static void LoadProgram()
    {
        if (AppContext.GetData("APP_CONTEXT_DEPS_FILES") is not string files)
            return;
        int end = files.IndexOf(';');
        ReadOnlySpan<char> deps = end < 0 ? files : files.AsSpan(0, end);
        const string ending = ".deps.json";
        if (!deps.EndsWith(ending, StringComparison.Ordinal))
            return;
        string stem = deps[..^ending.Length].ToString();
        if (!File.Exists(stem + ".dll"))
            return;
        try
        {
            _ = Assembly.Load(new AssemblyName { Name = Path.GetFileName(stem) });
        }
        catch (Exception failure) when (failure is IOException or BadImageFormatException)
        {
            // A call that needs it will say so.
        }
    }
}
