using System.Runtime.CompilerServices;
using ManyHands.Calls;
using ManyHands.Platform;

namespace ManyHands;

/// <summary>A function on a thread of its own. Start one with <c>WorkerThread.Start</c>, or derive and override <see cref="Run"/>.</summary>
/// <remarks>
/// The thread shares everything with its caller and can't be killed; <see cref="WorkerProcess"/> can. An exception in the function doesn't end the process:
/// it waits in <see cref="Worker.Exception"/>.
/// </remarks>
/// <example><code>
/// WorkerThread worker = WorkerThread.Start(Greet, "world", name: "Thread_1");
/// await worker.JoinAsync();
///
/// class Greeter(string whom) : WorkerThread("Thread_2")
/// {
///     protected override void Run() => Console.WriteLine($"Hello {whom}");
/// }
/// new Greeter("world").Start();
/// </code></example>
[StaysBehind]
public partial class WorkerThread : Worker
{
    private static int lastNumber;

    private readonly Thread? thread;

    /// <summary>For derived classes; <see cref="Start()"/> starts it.</summary>
    /// <param name="name">Null for <c>Thread-1</c>, <c>Thread-2</c>, …</param>
    protected WorkerThread(string? name = null)
        : base(name ?? $"Thread-{Interlocked.Increment(ref lastNumber)}")
    {
        // The caller's execution context isn't wanted: a worker has none but its own.
        thread = Guarded.NewThread(GuardedEntry.WorkerThread, Name, RunThread, failed: SetFaulted);
        thread.IsBackground = false;
    }

    /// <inheritdoc/>
    public override int Id => thread?.ManagedThreadId ?? Environment.CurrentManagedThreadId;

    /// <summary>Whether the program may end while the thread still runs. Default: false. Set it before the start.</summary>
    public bool IsBackground
    {
        get => thread!.IsBackground;
        set => thread!.IsBackground = value;
    }

    /// <summary>Starts the thread.</summary>
    /// <exception cref="InvalidOperationException">It was started before.</exception>
    public void Start()
    {
        MarkStarted();
        thread!.UnsafeStart();
    }

    /// <summary>What the thread does. Override it in a derived class.</summary>
    protected virtual void Run() =>
        throw new NotImplementedException($"{GetType().Name} derives from {nameof(WorkerThread)} but overrides no {nameof(Run)}; write 'protected override void Run()'.");

    private protected virtual void RunToEnd() => Run();

    private void RunThread()
    {
        Enter();
        try
        {
            RunToEnd();
            SetCompleted();
        }
        catch (Exception exception)
        {
            SetFaulted(exception);
        }
    }
}

/// <summary>A function with a result, on a thread of its own.</summary>
/// <typeparam name="TResult">What the function returns.</typeparam>
[StaysBehind]
public sealed class WorkerThread<TResult> : WorkerThread
{
    private readonly Call<TResult> call;
    private TResult? result;

    internal WorkerThread(Call<TResult> call, string? name)
        : base(name) => this.call = call;

    /// <summary>What the function returned. Throws what it threw.</summary>
    /// <exception cref="InvalidOperationException">It hasn't ended yet.</exception>
    public TResult Result
    {
        get
        {
            if (!Outcome.IsCompleted)
                throw new InvalidOperationException($"{Name} has no result yet: it is {State}. Await it, or join it first.");
            Outcome.GetAwaiter().GetResult();
            return result!;
        }
    }

    /// <summary>Waits for the result; throws what the function threw.</summary>
    public new TaskAwaiter<TResult> GetAwaiter()
    {
        CheckJoinable();
        return ResultAsync().GetAwaiter();
    }

    internal WorkerThread<TResult> Started()
    {
        Start();
        return this;
    }

    private protected override void RunToEnd() => result = call.Invoke(CancellationToken).AsTask().GetAwaiter().GetResult();

    private async Task<TResult> ResultAsync()
    {
        await Outcome.ConfigureAwait(false);
        return result!;
    }
}
