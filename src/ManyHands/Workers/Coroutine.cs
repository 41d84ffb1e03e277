using System.Runtime.CompilerServices;
using ManyHands.Calls;
using ManyHands.Platform;
using ManyHands.Workers;

namespace ManyHands;

/// <summary>
/// An asynchronous function that takes turns with all other coroutines of the process on one thread. Between two <see langword="await"/>s it has
/// that thread for itself, so coroutines share state without locks.
/// </summary>
/// <remarks>
/// <para>Everything that awaits works as it is; nothing has to be patched. Only code that blocks the thread holds the others up: it is reported to <see cref="Blocked"/>.</para>
/// <para>Use <c>ConfigureAwait(false)</c> inside to leave the thread on purpose.</para>
/// </remarks>
/// <example><code>
/// Coroutine[] fetches = [.. urls.Select(url => Coroutine.Start(Fetch, url))];
/// await Coroutine.JoinAllAsync(fetches);
/// </code></example>
[StaysBehind]
public partial class Coroutine : Worker
{
    private static int lastNumber;
    private readonly int number = Interlocked.Increment(ref lastNumber);
    private int ended;

    /// <summary>For derived classes; <see cref="Start()"/> starts it.</summary>
    /// <param name="name">Null for <c>Coroutine-1</c>, <c>Coroutine-2</c>, …</param>
    protected Coroutine(string? name = null)
        : base(name)
    {
    }

    /// <summary>
    /// Raised when a coroutine has blocked the thread for <see cref="BlockedAfter"/>, and once more when it lets go. Raised on another thread.
    /// While nobody listens, the reports are written to <see cref="Console.Error"/>.
    /// </summary>
    public static event Action<BlockedReport>? Blocked
    {
        add => CoroutineLoop.Blocked += value;
        remove => CoroutineLoop.Blocked -= value;
    }

    /// <summary>How long a coroutine may keep the thread before it is reported. Default: 250 ms. <see cref="Timeout.InfiniteTimeSpan"/> switches the reports off.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is not positive.</exception>
    public static TimeSpan BlockedAfter
    {
        get => CoroutineLoop.BlockedAfter;
        set
        {
            TimeLimits.CheckOrInfinite(value, nameof(BlockedAfter));
            ArgumentOutOfRangeException.ThrowIfEqual(value, TimeSpan.Zero, nameof(BlockedAfter));
            CoroutineLoop.BlockedAfter = value;
        }
    }

    /// <inheritdoc/>
    public override string Name => HasName ? base.Name : $"Coroutine-{number}";

    /// <inheritdoc/>
    public override int Id => number;

    /// <summary>The function's name, for reports.</summary>
    internal virtual string FunctionName => FunctionNames.Of(((Delegate)RunAsync).Method);

    /// <summary>Waits until all have ended, however they ended.</summary>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> was cancelled; the coroutines go on.</exception>
    public static Task JoinAllAsync(IEnumerable<Coroutine> coroutines, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(coroutines);
        Coroutine[] all = [.. coroutines];
        foreach (Coroutine coroutine in all)
            coroutine.CheckJoinable();
        return JoinEachAsync(all, cancellationToken);
    }

    /// <summary>Starts it: its first turn comes after those that wait already.</summary>
    /// <exception cref="InvalidOperationException">It was started before.</exception>
    public void Start()
    {
        MarkStarted();
        CoroutineLoop.Start(this);
    }

    /// <summary>What the coroutine does. Override it in a derived class.</summary>
    /// <param name="cancellationToken">Cancelled by <see cref="Worker.Cancel"/>.</param>
    protected virtual Task RunAsync(CancellationToken cancellationToken) =>
        throw new NotImplementedException($"{GetType().Name} derives from {nameof(Coroutine)} but overrides no {nameof(RunAsync)}.");

    /// <summary>The first turn.</summary>
    internal void Begin()
    {
        Enter();
        Guarded.Watch(GuardedEntry.CoroutineRun, RunToEnd(), this, static coroutine => coroutine.Name, static (coroutine, unforeseen) => coroutine.Fail(unforeseen));
    }

    /// <summary>Ends it after something was thrown that isn't its function's outcome.</summary>
    internal void Fail(Exception unforeseen)
    {
        SetFaulted(unforeseen);
        End();
    }

    private protected virtual async Task Await() => await RunAsync(CancellationToken);

    private async Task RunToEnd()
    {
        try
        {
            FaultPoint.Enter(GuardedEntry.CoroutineRun);
            await Await();
            SetCompleted();
        }
        catch (Exception exception)
        {
            SetFaulted(exception);
        }
        finally
        {
            End();
        }
    }

    private void End()
    {
        if (Interlocked.Exchange(ref ended, 1) == 0)
            CoroutineLoop.Ended();
    }

    // One after the other: they are done when the last is, whichever that is.
    private static async Task JoinEachAsync(Coroutine[] coroutines, CancellationToken cancellationToken)
    {
        foreach (Coroutine coroutine in coroutines)
        {
            if (!coroutine.Outcome.IsCompleted)
                await coroutine.JoinAsync(cancellationToken).ConfigureAwait(false);
        }
    }
}

/// <summary>A coroutine with a result.</summary>
/// <typeparam name="TResult">What the function returns.</typeparam>
[StaysBehind]
public sealed class Coroutine<TResult> : Coroutine
{
    private readonly Call<TResult> call;
    private TResult? result;

    internal Coroutine(Call<TResult> call, string? name)
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

    internal override string FunctionName => call.Name;

    /// <summary>Waits for the result; throws what the function threw.</summary>
    public new TaskAwaiter<TResult> GetAwaiter()
    {
        CheckJoinable();
        return ResultAsync().GetAwaiter();
    }

    internal Coroutine<TResult> Started()
    {
        Start();
        return this;
    }

    private protected override async Task Await() => result = await call.Invoke(call.TakesToken ? CancellationToken : default);

    private async Task<TResult> ResultAsync()
    {
        await Outcome.ConfigureAwait(false);
        return result!;
    }
}
