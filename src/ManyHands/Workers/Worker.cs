using System.Diagnostics;
using ManyHands.Calls;

namespace ManyHands;

/// <summary>Where a worker is in its life.</summary>
public enum WorkerState
{
    /// <summary>Made but not started.</summary>
    Created,

    /// <summary>Started, not ended.</summary>
    Running,

    /// <summary>Its function returned.</summary>
    Completed,

    /// <summary>Its function threw, or its process ended under it.</summary>
    Faulted,

    /// <summary>It was told to stop and did.</summary>
    Canceled,
}

/// <summary>
/// One function under way: on a thread (<see cref="WorkerThread"/>), in a process (<see cref="WorkerProcess"/>) or as a coroutine (<see cref="Coroutine"/>).
/// </summary>
/// <remarks>
/// An exception of the function stays in the worker: <see cref="JoinAsync(CancellationToken)"/> only waits, <see cref="Exception"/> holds it, and <see langword="await"/> throws it.
/// </remarks>
[DebuggerDisplay("{Name,nq} ({Id}): {State}")]
[StaysBehind]
public abstract class Worker : IAsyncDisposable
{
    private static readonly AsyncLocal<Worker?> CurrentWorker = new();
    private static Worker root = new RootWorker("MainThread");

    private readonly TaskCompletionSource outcome = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private CancellationTokenSource? stopping;
    private readonly string? name;
    private int started;

    private protected Worker(string? name) => this.name = name;

    private protected bool HasName => name is not null;

    /// <summary>
    /// The worker that the calling code runs in. In the main program it is one named <c>MainThread</c>; in a child process, one with the name that the parent gave.
    /// </summary>
    public static Worker Current => CurrentWorker.Value ?? root;

    /// <summary>The name given at the start, or one made up of the kind and a number, such as <c>Thread-1</c>.</summary>
    public virtual string Name => name ?? Current.Name;

    /// <summary>The process id of a <see cref="WorkerProcess"/> and of the main program; else a number that is unique among the threads and coroutines of this process.</summary>
    public abstract int Id { get; }

    /// <summary>Where it is in its life.</summary>
    public WorkerState State => outcome?.Task switch
    {
        null => WorkerState.Running,
        { IsCompletedSuccessfully: true } => WorkerState.Completed,
        { IsFaulted: true } => WorkerState.Faulted,
        { IsCanceled: true } => WorkerState.Canceled,
        _ => Volatile.Read(ref started) == 0 ? WorkerState.Created : WorkerState.Running,
    };

    /// <summary>What the function threw; null while it runs and when it ended well.</summary>
    public Exception? Exception => outcome.Task.Exception?.InnerException;

    /// <summary>Cancelled by <see cref="Cancel"/>, also seen from inside through <see cref="Current"/>.</summary>
    public virtual CancellationToken CancellationToken => Stopping.Token;

    /// <summary>Ends with the function: with its exception if it threw.</summary>
    internal Task Outcome => outcome.Task;

    /// <summary>Waits until the worker has ended, however it ended.</summary>
    /// <param name="cancellationToken">Ends the waiting, not the worker.</param>
    /// <exception cref="InvalidOperationException">It wasn't started, or waits for itself.</exception>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> was cancelled.</exception>
    public async Task JoinAsync(CancellationToken cancellationToken = default)
    {
        CheckJoinable();
        await Outcome.WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (!Outcome.IsCompleted)
            cancellationToken.ThrowIfCancellationRequested();
    }

    /// <summary>Waits until the worker has ended, at most for the time given.</summary>
    /// <param name="timeout">Zero only looks; <see cref="Timeout.InfiniteTimeSpan"/> waits as long as it takes.</param>
    /// <param name="cancellationToken">Ends the waiting, not the worker.</param>
    /// <returns>Whether it has ended.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="timeout"/> is negative.</exception>
    public async Task<bool> JoinAsync(TimeSpan timeout, CancellationToken cancellationToken = default)
    {
        TimeLimits.CheckOrInfinite(timeout, nameof(timeout));
        CheckJoinable();
        await Outcome.WaitAsync(timeout, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (!Outcome.IsCompleted)
            cancellationToken.ThrowIfCancellationRequested();
        return Outcome.IsCompleted;
    }

    /// <summary>Blocks the calling thread until the worker has ended, however it ended.</summary>
    public void Join()
    {
        CheckJoinable();
        ((IAsyncResult)Outcome).AsyncWaitHandle.WaitOne();
    }

    /// <summary>Blocks the calling thread until the worker has ended, at most for the time given.</summary>
    /// <returns>Whether it has ended.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="timeout"/> is negative.</exception>
    public bool Join(TimeSpan timeout)
    {
        TimeLimits.CheckOrInfinite(timeout, nameof(timeout));
        CheckJoinable();
        return ((IAsyncResult)Outcome).AsyncWaitHandle.WaitOne(timeout);
    }

    /// <summary>Asks the function to stop, through its <see cref="System.Threading.CancellationToken"/>. A function that doesn't look at it goes on.</summary>
    public virtual void Cancel() => _ = Stopping.CancelAsync();

    /// <summary>Asks the function to stop and waits until it has; a <see cref="WorkerProcess"/> is terminated.</summary>
    public async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        if (State == WorkerState.Created)
            return;
        Stop();
        await Outcome.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    /// <summary>Waits for the end; throws what the function threw.</summary>
    public System.Runtime.CompilerServices.TaskAwaiter GetAwaiter()
    {
        CheckJoinable();
        return Outcome.GetAwaiter();
    }

    /// <summary>In a child process: what <see cref="Current"/> is where no thread or coroutine of ours runs.</summary>
    internal static void SetRoot(string name, CancellationToken token) => root = new RootWorker(name, token);

    /// <summary>Makes this the current worker of the calling thread and of everything asynchronous that it starts.</summary>
    internal void Enter() => CurrentWorker.Value = this;

    // Made when somebody asks: most workers are never cancelled, and many a function doesn't take a token.
    private CancellationTokenSource Stopping
    {
        get
        {
            if (Volatile.Read(ref stopping) is { } present)
                return present;
            CancellationTokenSource made = new();
            return Interlocked.CompareExchange(ref stopping, made, null) ?? made;
        }
    }

    private protected virtual void Stop() => Cancel();

    /// <summary>Counts the start; only the first is one.</summary>
    /// <exception cref="InvalidOperationException">It was started before.</exception>
    internal void MarkStarted()
    {
        if (Interlocked.Exchange(ref started, 1) != 0)
            throw new InvalidOperationException($"{Name} was started before. A worker runs once; make a new one.");
    }

    internal void SetCompleted() => outcome.TrySetResult();

    internal void SetFaulted(Exception exception)
    {
        if (exception is OperationCanceledException && Volatile.Read(ref stopping) is { IsCancellationRequested: true } canceled)
            outcome.TrySetCanceled(canceled.Token);
        else
            outcome.TrySetException(exception);

        // The exception waits in the worker for whoever asks; nobody has to.
        _ = outcome.Task.Exception;
    }

    internal void SetCanceled() => outcome.TrySetCanceled(Stopping.Token);

    internal void CheckJoinable()
    {
        if (State == WorkerState.Created)
            throw new InvalidOperationException($"{Name} was not started; call Start first.");
    }

    /// <summary>The main program, or the main function of a child process.</summary>
    private sealed class RootWorker : Worker
    {
        private readonly CancellationToken token;

        public RootWorker(string name, CancellationToken token = default)
            : base(name)
        {
            this.token = token;
            MarkStarted();
        }

        public override int Id => Environment.ProcessId;

        public override CancellationToken CancellationToken => token;

        public override void Cancel() =>
            throw new InvalidOperationException($"{Name} is the program itself and can't be cancelled from inside; return from its main function.");
    }
}
