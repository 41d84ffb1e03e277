using System.Collections.Concurrent;
using ManyHands.Calls;
using ManyHands.Platform;
using ManyHands.Serialization;

namespace ManyHands.Pools;

/// <summary>
/// The engine of <see cref="Pool.Inline"/>: encodes the call, decodes it again and runs it in the caller, with the code that a child runs.
/// </summary>
internal sealed class InlinePool(InlinePoolOptions options) : Pool
{
    private readonly ConcurrentDictionary<int, ResolvedFunction> functions = new();
    private readonly CallCounters counters = new();
    private readonly CancellationTokenSource stopping = new();
    private readonly Lock initializing = new();
    private bool initialized;
    private PoolBrokenException? broken;
    private int running;
    private volatile bool closed;

    public override PoolStatistics Statistics => counters.Snapshot("inline", 1, [], 0, Volatile.Read(ref running), 0, 0);

    internal override int MapWidth => 1;

    internal override bool RunsInCaller => true;

    public override Task WarmUpAsync(CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (closed)
            throw Closed();
        Initialize();
        return Task.CompletedTask;
    }

    public override ValueTask DisposeAsync()
    {
        closed = true;
        return default;
    }

    public override void Kill()
    {
        closed = true;
        _ = stopping.CancelAsync();
    }

    internal override Task<TResult> StartCall<TResult>(Call<TResult> call)
    {
        if (closed)
            throw Closed();
        Initialize();
        PendingCall<TResult> pending = CallEncoder.Encode(call);
        if (pending.Token.IsCancellationRequested)
        {
            pending.ReleasePayload();
            return Task.FromCanceled<TResult>(pending.Token);
        }

        _ = RunAsync(pending);
        return pending.Task;
    }

    private async Task RunAsync<TResult>(PendingCall<TResult> pending)
    {
        Interlocked.Increment(ref running);
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(pending.Token, stopping.Token);
        bool timedOut = false;
        Deadline? deadline = pending.Options.HasTimeout
            ? Deadlines.After(pending.Options.Timeout!.Value, () =>
            {
                Volatile.Write(ref timedOut, true);
                try
                {
                    _ = stop.CancelAsync();
                }
                catch (ObjectDisposedException)
                {
                    // The function ended at this very moment.
                }

                // An asynchronous function may never come back; a synchronous one has the caller's thread until it does.
                Deadlines.After(pending.Options.Grace, () => pending.SetException(TimedOut(pending)));
            })
            : null;
        using CancellationTokenRegistration impatience = pending.Token.UnsafeRegister(
            _ => Deadlines.After(pending.Options.Grace, pending.SetCanceled), null);

        using PayloadWriter answer = new();
        WorkerSide side = new((number, report) => pending.Report(number, report.WrittenSpan.ToArray()), stop.Token);
        OutcomeKind kind = await CallRunner.RunAsync(
            () => functions.GetOrAdd(pending.Function.Id, _ => ResolvedFunction.Resolve(pending.Function.Definition)),
            pending.Payload.WrittenMemory,
            side,
            answer,
            starting: null).ConfigureAwait(false);

        deadline?.Cancel();
        Interlocked.Decrement(ref running);
        if (Volatile.Read(ref timedOut))
            pending.SetException(TimedOut(pending));
        else if (kind == OutcomeKind.Canceled && stopping.IsCancellationRequested && !pending.Token.IsCancellationRequested)
            pending.SetException(Closed());
        else
            CallOutcome.Complete(pending, kind, answer.WrittenMemory);
        pending.ReleasePayload();
        _ = pending.Task.ContinueWith(counters.Count, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
    }

    private static CallTimeoutException TimedOut(PendingCall call) =>
        new($"{call.Name} ran longer than its timeout of {call.Options.Timeout!.Value.TotalSeconds:0.###} s.", call.Options.Timeout!.Value);

    private void Initialize()
    {
        lock (initializing)
        {
            if (broken is not null)
                throw new PoolBrokenException(broken.Message, broken.InnerException);
            if (initialized)
                return;
            try
            {
                options.Initializer?.Invoke();
                initialized = true;
            }
            catch (Exception reason)
            {
                broken = new PoolBrokenException($"The pool's initializer threw {reason.GetType().Name}: {reason.Message}", reason);
                throw new PoolBrokenException(broken.Message, reason);
            }
        }
    }
}
