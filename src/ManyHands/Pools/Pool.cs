using System.Diagnostics;
using ManyHands.Calls;
using ManyHands.Pools;

namespace ManyHands;

/// <summary>
/// Runs functions somewhere: in the caller, on threads, as coroutines on one thread, or in processes of their own. Which, is decided where the pool is made;
/// everything else reads the same.
/// </summary>
/// <remarks>
/// <para>Thread-safe. Workers start on demand and end with the pool.</para>
/// <para><see cref="DisposeAsync"/> takes no new calls, lets those that were accepted finish, then ends the workers.</para>
/// </remarks>
/// <example><code>
/// await using var pool = Pool.Processes(4);
/// int answer = await pool.RunAsync(Work.Fib, 40);
/// await foreach (int n in pool.MapAsync(Work.Fib, Enumerable.Range(30, 10)))
///     Console.WriteLine(n);
/// </code></example>
[DebuggerDisplay("{Statistics.Engine,nq}: {Statistics.RunningCalls} running, {Statistics.QueuedCalls} queued")]
public abstract partial class Pool : IAsyncDisposable
{
    private protected Pool()
    {
    }

    /// <summary>
    /// Raised when something was thrown that nobody foresaw, on a thread or in a callback of the library that has no caller to tell; for all pools, workers and shared objects of the process. The process goes on, and
    /// each call still gets an outcome. Raised on a thread of .NET's pool.
    /// </summary>
    /// <remarks>Without a listener the report is written to standard error. Either way the event source <c>ManyHands</c> has it.</remarks>
    public static event Action<InternalFaultReport>? InternalFault
    {
        add => Platform.InternalFaults.Reported += value;
        remove => Platform.InternalFaults.Reported -= value;
    }

    /// <summary>
    /// A pool that runs each call in its caller, at once. Functions, arguments, results and exceptions make the same way through the serializer
    /// as with <see cref="Processes"/>, so that a unit test without any process catches what would fail in one.
    /// </summary>
    /// <param name="options">Null for the defaults.</param>
    public static Pool Inline(InlinePoolOptions? options = null)
    {
        options ??= new();
        options.Validate();
        return new InlinePool(options);
    }

    /// <summary>
    /// A pool of threads of its own. They share the caller's memory: nothing is copied, nothing is protected, and nothing can be killed.
    /// </summary>
    /// <remarks>For plain CPU work that needs no limit on threads of its own, <see cref="Parallel"/> is enough.</remarks>
    /// <param name="workers">The most threads, at least 1. Default: the number of processors.</param>
    /// <param name="options">Null for the defaults.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="workers"/> or an option is out of range.</exception>
    public static Pool Threads(int? workers = null, ThreadPoolOptions? options = null)
    {
        options ??= new();
        options.Validate();
        return new ThreadedPool(CheckWorkers(workers, Environment.ProcessorCount), options);
    }

    /// <summary>
    /// A pool of coroutines: asynchronous functions that take turns on one thread, so that they share state without locks. A function that
    /// blocks the thread holds up all others and is reported (<see cref="Coroutine.Blocked"/>).
    /// </summary>
    /// <param name="workers">The most functions under way at a time, at least 1. Default: 100.</param>
    /// <param name="options">Null for the defaults.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="workers"/> or an option is out of range.</exception>
    public static Pool Coroutines(int? workers = null, CoroutinePoolOptions? options = null)
    {
        options ??= new();
        options.Validate();
        return new CoroutinePool(CheckWorkers(workers, 100), options);
    }

    /// <summary>
    /// A pool of processes: a crash, a leak or an endless loop of one call touches no other and not the caller, and every call can be killed.
    /// </summary>
    /// <remarks>
    /// Works from every ordinary host, with nothing to prepare: console and web applications, <c>dotnet app.dll</c>, file-based apps, test hosts. The program's
    /// <c>Main</c> doesn't run in the workers. Workers end with this process, however it ends.
    /// </remarks>
    /// <param name="workers">The most processes, at least 1. Default: the number of processors.</param>
    /// <param name="options">Null for the defaults.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="workers"/> or an option is out of range.</exception>
    /// <exception cref="PlatformNotSupportedException">The program is published as a single file, self-contained, trimmed or with NativeAOT; the message says what to do.</exception>
    /// <exception cref="UnsendableCallException">The initializer can't travel to another process.</exception>
    public static Pool Processes(int? workers = null, ProcessPoolOptions? options = null)
    {
        options ??= new();
        options.Validate();
        return new ProcessPool(CheckWorkers(workers, Environment.ProcessorCount), options);
    }

    /// <summary>What the pool is doing now.</summary>
    public abstract PoolStatistics Statistics { get; }

    /// <summary>Starts all workers now instead of on demand, and ends when they are ready.</summary>
    /// <param name="cancellationToken">Ends the waiting, not the starting.</param>
    /// <exception cref="PoolBrokenException">The workers can't start.</exception>
    public abstract Task WarmUpAsync(CancellationToken cancellationToken = default);

    /// <summary>
    /// Takes no new calls, waits for those that were accepted, at most as long as the options' <c>ShutdownTimeout</c> says, then ends the workers.
    /// Safe to call more than once.
    /// </summary>
    public abstract ValueTask DisposeAsync();

    /// <summary>Takes no new calls and ends at once: calls that wait or run fail with <see cref="ObjectDisposedException"/>, and worker processes are killed.</summary>
    public abstract void Kill();

    /// <summary>The one way of a call into an engine. Throws at once what is wrong with the call itself; all else is in the task.</summary>
    internal abstract Task<TResult> StartCall<TResult>(Call<TResult> call);

    /// <summary>How many calls of a map should be under way at a time to keep every worker busy; may change while the map runs.</summary>
    internal abstract int MapWidth { get; }

    /// <summary>Whether calls run in the caller, so that a map has to run there too.</summary>
    internal virtual bool RunsInCaller => false;

    private protected static ObjectDisposedException Closed() =>
        new(nameof(Pool), "The pool is closed and takes no more calls. Make a new one, or dispose of it later.");

    private static int CheckWorkers(int? workers, int byDefault)
    {
        if (workers is < 1 or > 10_000)
            throw new ArgumentOutOfRangeException(nameof(workers), workers, $"A pool has between 1 and 10,000 workers, not {workers}.");
        return workers ?? byDefault;
    }

    /// <summary>The one way of a map into an engine: by default one call for each item.</summary>
    internal virtual IAsyncEnumerable<TResult> StartMap<T, TResult>(Delegate function, MapSource<T> source, CallOptions? options, bool inOrder, CancellationToken token)
    {
        if (RunsInCaller)
            return Map<T, TResult>.InCaller(this, function, source, options, token);
        Map<T, TResult> map = new(this, function, source, options);
        return inOrder ? map.InOrder(token) : map.AsTheyCome(token);
    }

    private IAsyncEnumerable<TResult> MapInOrder<T, TResult>(
        Delegate function, MapSource<T> source, CallOptions? options, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(function);
        options?.Validate();
        return StartMap<T, TResult>(function, source, options, inOrder: true, cancellationToken);
    }

    private IAsyncEnumerable<TResult> MapAsTheyCome<T, TResult>(
        Delegate function, MapSource<T> source, CallOptions? options, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(function);
        options?.Validate();
        return StartMap<T, TResult>(function, source, options, inOrder: false, cancellationToken);
    }

    private async Task RunForEach<T>(Delegate function, MapSource<T> source, CallOptions? options, CancellationToken cancellationToken)
    {
        await foreach (Serialization.NoResult _ in MapAsTheyCome<T, Serialization.NoResult>(function, source, options, cancellationToken).ConfigureAwait(false))
        {
        }
    }
}
