using System.Runtime.InteropServices;

namespace ManyHands.Platform;

/// <summary>
/// Where code of ours begins that has no caller: on threads of our own, on threads of the pool, in callbacks of tokens, signals and finalizers. An exception there would end the process. Here it is caught, reported
/// (<see cref="InternalFaults"/>), and handed to whoever can fail what the code was about; then the process goes on. Nothing of the library starts a thread or hands .NET a callback in another way, and a test holds that.
/// </summary>
internal static class Guarded
{
    /// <summary>A fault that comes again and again must not take a processor.</summary>
    private static readonly TimeSpan PauseAfterFault = TimeSpan.FromMilliseconds(10);

    /// <summary>A thread in the background, not started yet.</summary>
    /// <param name="entry">Which it is.</param>
    /// <param name="name">The thread's name, by which it is reported.</param>
    /// <param name="run">What it does.</param>
    /// <param name="failed">Fails what the thread was about, after an exception.</param>
    /// <param name="stackSize">In bytes; 0 for the usual.</param>
    public static Thread NewThread(GuardedEntry entry, string name, Action run, Action<Exception> failed, int stackSize = 0) => new(
        () => Run(entry, (run, failed), static work => work.run(), _ => name, static (work, exception) => work.failed(exception)), stackSize)
    {
        Name = name,
        IsBackground = true,
    };

    /// <summary>Starts a thread in the background, without its starter's execution context.</summary>
    /// <inheritdoc cref="NewThread"/>
    /// <exception cref="OutOfMemoryException">The system refuses another thread.</exception>
    public static Thread StartThread(GuardedEntry entry, string name, Action run, Action<Exception> failed)
    {
        Thread thread = NewThread(entry, name, run, failed);
        thread.UnsafeStart();
        return thread;
    }

    /// <summary>Starts a thread that serves many, who must be served whatever one of them does to it: after an exception it runs again.</summary>
    /// <inheritdoc cref="StartThread"/>
    public static Thread StartService(GuardedEntry entry, string name, Action run)
    {
        Thread thread = new(() => Serve(entry, name, run)) { Name = name, IsBackground = true };
        thread.UnsafeStart();
        return thread;
    }

    /// <summary>Calls back on this thread, on behalf of nobody who could be told.</summary>
    /// <param name="entry">What calls.</param>
    /// <param name="state">What it is about.</param>
    /// <param name="callback">What to do.</param>
    /// <param name="about">The same in words, and what became of it; asked only after an exception.</param>
    /// <param name="failed">Fails it, after an exception.</param>
    /// <returns>Whether nothing was thrown.</returns>
    public static bool Run<TState>(GuardedEntry entry, TState state, Action<TState> callback, Func<TState, string> about, Action<TState, Exception>? failed = null)
    {
        try
        {
            FaultPoint.Enter(entry);
            callback(state);
            return true;
        }
        catch (Exception exception)
        {
            Fail(entry, state, exception, about, failed);
            return false;
        }
    }

    /// <summary>Reports what was thrown, and fails what it was about. Never throws.</summary>
    /// <inheritdoc cref="Run"/>
    public static void Fail<TState>(GuardedEntry entry, TState state, Exception exception, Func<TState, string> about, Action<TState, Exception>? failed = null)
    {
        string what;
        try
        {
            what = about(state);
        }
        catch (Exception)
        {
            what = "something that can't be named";
        }

        InternalFaults.Report(entry, what, exception);
        try
        {
            failed?.Invoke(state, exception);
        }
        catch (Exception another)
        {
            InternalFaults.Report(entry, $"{what}, while that was failed for an earlier exception", another);
        }
    }

    /// <summary>Calls back on a thread of the pool, without the caller's execution context.</summary>
    /// <inheritdoc cref="Run"/>
    public static void Queue<TState>(GuardedEntry entry, TState state, Action<TState> callback, Func<TState, string> about, Action<TState, Exception>? failed = null) =>
        ThreadPool.UnsafeQueueUserWorkItem(new Callback<TState>(entry, state, callback, about, failed), preferLocal: false);

    /// <summary>Calls back when the token is cancelled, on the thread that does so: who cancels is no caller of ours, and may be a timer.</summary>
    /// <inheritdoc cref="Run"/>
#pragma warning disable CA1068 // The token is what happens, and stands where the task does in OnEnded; it cancels nothing here.
    public static CancellationTokenRegistration OnCanceled<TState>(
#pragma warning restore CA1068
        GuardedEntry entry, CancellationToken token, TState state, Action<TState> callback, Func<TState, string> about, Action<TState, Exception>? failed = null) =>
        token.CanBeCanceled
            ? token.UnsafeRegister(static callback => ((Callback)callback!).Run(), new Callback<TState>(entry, state, callback, about, failed))
            : default;

    /// <summary>Calls back when the task has ended, on the thread that ends it or, if it has ended, on this one.</summary>
    /// <inheritdoc cref="Run"/>
    public static void OnEnded<TState>(GuardedEntry entry, Task task, TState state, Action<TState> callback, Func<TState, string> about, Action<TState, Exception>? failed = null) =>
        task.ConfigureAwait(false).GetAwaiter().UnsafeOnCompleted(new Callback<TState>(entry, state, callback, about, failed).Run);

    /// <summary>Has what a task throws that nobody awaits reported, and what it was about failed.</summary>
    /// <inheritdoc cref="Run"/>
    public static void Watch<TState>(GuardedEntry entry, Task task, TState state, Func<TState, string> about, Action<TState, Exception>? failed = null)
    {
        if (task.IsCompletedSuccessfully)
            return;
        task.ConfigureAwait(false).GetAwaiter().UnsafeOnCompleted(() =>
        {
            if (task.Exception is { } thrown)
                Fail(entry, state, thrown.InnerException ?? thrown, about, failed);
        });
    }

    /// <summary>Calls back again and again on a thread of the pool, until the timer is disposed of.</summary>
    /// <inheritdoc cref="Run"/>
    public static Timer Every<TState>(GuardedEntry entry, TimeSpan period, TState state, Action<TState> callback, Func<TState, string> about) =>
        new(static callback => ((Callback)callback!).Run(), new Callback<TState>(entry, state, callback, about, null), period, period);

    /// <summary>Calls back at a signal of the system's.</summary>
    public static PosixSignalRegistration OnSignal(GuardedEntry entry, PosixSignal signal, Action<PosixSignalContext> callback) =>
        PosixSignalRegistration.Create(signal, context => Run(entry, context, callback, static context => $"the signal {context.Signal}"));

    /// <summary>Calls back when this process exits in order.</summary>
    public static void OnProcessExit(GuardedEntry entry, Action callback) =>
        AppDomain.CurrentDomain.ProcessExit += (_, _) => Run(entry, callback, static callback => callback(), static _ => "the process's exit");

    private static void Serve(GuardedEntry entry, string name, Action run)
    {
        while (!Run(entry, run, static run => run(), _ => $"the thread {name}, which begins anew"))
            Thread.Sleep(PauseAfterFault);
    }

    private abstract class Callback
    {
        public abstract void Run();
    }

    private sealed class Callback<TState>(GuardedEntry entry, TState state, Action<TState> callback, Func<TState, string> about, Action<TState, Exception>? failed) : Callback, IThreadPoolWorkItem
    {
        public override void Run() => Guarded.Run(entry, state, callback, about, failed);

        public void Execute() => Run();
    }
}
