using ManyHands.Calls;
using ManyHands.Platform;
using ManyHands.Workers;

namespace ManyHands.Pools;

/// <summary>The engine of <see cref="Pool.Coroutines"/>: at most so many calls under way, all on the coroutines' thread.</summary>
internal sealed class CoroutinePool(int limit, CoroutinePoolOptions options) : Pool
{
    private static int lastPool;

    private readonly string name = $"Pool-{Interlocked.Increment(ref lastPool)}";
    private readonly Lock gate = new();
    private readonly Queue<LocalCall> queue = new();
    private readonly HashSet<LocalCall> running = [];
    private readonly CallCounters counters = new();
    private readonly CancellationTokenSource stopping = new();
    private bool initialized;
    private bool closed;
    private PoolBrokenException? broken;
    private TaskCompletionSource? drained;

    public override PoolStatistics Statistics
    {
        get
        {
            lock (gate)
                return counters.Snapshot("coroutines", limit, [], queue.Count(call => !call.IsCompleted), running.Count, 0, 0);
        }
    }

    internal override int MapWidth => limit;

    public override Task WarmUpAsync(CancellationToken cancellationToken = default) =>
        StartCall(new Call<Arguments, Serialization.NoResult>(static () => { }, default, null, cancellationToken));

    public override async ValueTask DisposeAsync()
    {
        Task wait = Task.CompletedTask;
        lock (gate)
        {
            closed = true;
            if (running.Count > 0 || queue.Count > 0)
                wait = (drained ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
        }

        try
        {
            await wait.WaitAsync(options.ShutdownTimeout).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            // What doesn't listen can't be ended; its callers are told below.
        }

        Kill();
    }

    public override void Kill()
    {
        LocalCall[] left;
        lock (gate)
        {
            closed = true;
            left = [.. queue, .. running];
            queue.Clear();
            drained?.TrySetResult();
        }

        // Told before their functions are: those may throw something else then.
        foreach (LocalCall call in left)
            call.Fail(Closed());
        _ = stopping.CancelAsync();
    }

    internal override Task<TResult> StartCall<TResult>(Call<TResult> call)
    {
        if (call.Token.IsCancellationRequested)
            return Task.FromCanceled<TResult>(call.Token);
        LocalCall<TResult> local = new(call, counters, OnEnded, stopping.Token);
        lock (gate)
        {
            if (closed)
                throw Closed();
            if (broken is not null)
                throw new PoolBrokenException(ExceptionText.MessageOf(broken), broken.InnerException);
            if (running.Count < limit)
                Start(local);
            else
                queue.Enqueue(local);
        }

        return local.Task;
    }

    private void Start(LocalCall call)
    {
        running.Add(call);
        CoroutineLoop.Start(name, call.Name, static state =>
        {
            (CoroutinePool pool, LocalCall call) = ((CoroutinePool, LocalCall))state!;
            Guarded.Watch(GuardedEntry.CoroutineCall, pool.RunAsync(call), (pool, call), static one => one.call.Name, static (one, unforeseen) => one.pool.Fail(one.call, unforeseen));
        }, (this, call), static (state, unforeseen) =>
        {
            (CoroutinePool pool, LocalCall call) = ((CoroutinePool, LocalCall))state;
            pool.Fail(call, unforeseen);
        });
    }

    private async Task RunAsync(LocalCall call)
    {
        FaultPoint.Enter(GuardedEntry.CoroutineCall);
        if (Initialize() && call.TryStart())
            await call.RunAsync();
        else
            OnEnded(call);
    }

    private void Fail(LocalCall call, Exception unforeseen)
    {
        OnEnded(call);
        call.Fail(CallOutcome.Unforeseen(call.Name, unforeseen));
    }

    private void OnEnded(LocalCall call)
    {
        lock (gate)
        {
            if (!running.Remove(call))
                return;
            CoroutineLoop.Ended();
            while (running.Count < limit && queue.TryDequeue(out LocalCall? next))
            {
                if (!next.IsCompleted)
                    Start(next);
            }

            if (running.Count == 0)
                drained?.TrySetResult();
        }
    }

    // On the coroutines' thread, so no two calls can get here at once.
    private bool Initialize()
    {
        if (initialized)
            return broken is null;
        initialized = true;
        try
        {
            options.Initializer?.Invoke();
            return true;
        }
        catch (Exception reason)
        {
            LocalCall[] left;
            lock (gate)
            {
                broken = new PoolBrokenException($"The pool's initializer threw {reason.GetType().Name}: {ExceptionText.MessageOf(reason)}", reason);
                left = [.. queue, .. running];
                queue.Clear();
            }

            foreach (LocalCall call in left)
                call.Fail(broken);
            return false;
        }
    }
}
