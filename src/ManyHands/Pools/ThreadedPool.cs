using System.Runtime.ExceptionServices;
using ManyHands.Calls;
using ManyHands.Platform;

namespace ManyHands.Pools;

/// <summary>The engine of <see cref="Pool.Threads"/>: threads of its own that take calls from one queue.</summary>
internal sealed class ThreadedPool(int limit, ThreadPoolOptions options) : Pool
{
    private static int lastPool;

    private readonly int number = Interlocked.Increment(ref lastPool);
    private readonly object gate = new();
    private readonly Queue<LocalCall> queue = new();
    private readonly List<PoolThread> threads = [];
    private readonly CallCounters counters = new();
    private readonly CancellationTokenSource stopping = new();
    private int idle;
    private int running;
    private bool closed;
    private PoolBrokenException? broken;
    private TaskCompletionSource? drained;

    public override PoolStatistics Statistics
    {
        get
        {
            lock (gate)
            {
                PoolWorkerStatistics[] workers = [.. threads.Select(thread => thread.Snapshot())];
                return counters.Snapshot("threads", limit, workers, queue.Count(call => !call.IsCompleted), running, threads.Count, 0);
            }
        }
    }

    // One waiting behind each that runs, so that no thread waits for the feeder.
    internal override int MapWidth => 2 * limit;

    public override async Task WarmUpAsync(CancellationToken cancellationToken = default)
    {
        Task[] ready;
        lock (gate)
        {
            if (closed)
                throw Closed();
            while (threads.Count < limit)
                StartThread();
            ready = [.. threads.Select(thread => thread.Ready)];
        }

        await Task.WhenAll(ready).WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    public override async ValueTask DisposeAsync()
    {
        Task wait = Task.CompletedTask;
        lock (gate)
        {
            closed = true;
            Monitor.PulseAll(gate);
            if (running > 0 || queue.Count > 0)
                wait = (drained ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
        }

        try
        {
            await wait.WaitAsync(options.ShutdownTimeout).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            // A thread can't be ended from outside; its caller is told, the thread is left behind.
        }

        Kill();
    }

    public override void Kill()
    {
        LocalCall[] left;
        lock (gate)
        {
            closed = true;
            left = [.. queue, .. threads.Select(thread => thread.CurrentCall).OfType<LocalCall>()];
            queue.Clear();
            Monitor.PulseAll(gate);
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
            queue.Enqueue(local);
            if (queue.Count > idle && threads.Count < limit)
                StartThread();
            else
                Monitor.Pulse(gate);
        }

        return local.Task;
    }

    private void StartThread()
    {
        PoolThread thread = new(this, $"Pool-{number}-Thread-{threads.Count + 1}");
        threads.Add(thread);
        thread.Start();
    }

    private void OnEnded(LocalCall call)
    {
        lock (gate)
        {
            if (threads.Find(thread => thread.CurrentCall == call) is not { } thread)
                return;
            thread.CurrentCall = null;
            thread.EndedCalls++;
            running--;
            if (running == 0 && queue.Count == 0)
                drained?.TrySetResult();
        }
    }

    private LocalCall? TakeCall(PoolThread thread)
    {
        lock (gate)
        {
            while (true)
            {
                while (queue.TryDequeue(out LocalCall? call))
                {
                    if (!call.TryStart())
                        continue;
                    running++;
                    return thread.CurrentCall = call;
                }

                if (closed)
                {
                    if (running == 0)
                        drained?.TrySetResult();
                    return null;
                }

                idle++;
                Monitor.Wait(gate);
                idle--;
            }
        }
    }

    private void Break(Exception reason)
    {
        LocalCall[] left;
        lock (gate)
        {
            broken ??= new PoolBrokenException($"The pool's initializer threw {reason.GetType().Name}: {ExceptionText.MessageOf(reason)}", reason);
            left = [.. queue];
            queue.Clear();
            drained?.TrySetResult();
        }

        foreach (LocalCall call in left)
            call.Fail(broken);
    }

    private sealed class PoolThread(ThreadedPool pool, string name) : WorkerThread(name)
    {
        private readonly TaskCompletionSource ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
        public Task Ready => ready.Task;

        /// <summary>Guarded by the pool's gate.</summary>
        public LocalCall? CurrentCall { get; set; }

        /// <summary>Guarded by the pool's gate.</summary>
        public long EndedCalls { get; set; }

        public new void Start()
        {
            IsBackground = true;
            base.Start();
        }

        public PoolWorkerStatistics Snapshot() => new()
        {
            Name = Name,
            Id = Id,
            IsBusy = CurrentCall is not null,
            CurrentCall = CurrentCall?.Name,
            EndedCalls = EndedCalls,
        };

        protected override void Run()
        {
            try
            {
                pool.Initialize();
            }
            catch (Exception reason)
            {
                pool.Break(reason);
                ready.TrySetException(pool.broken!);
                ExceptionDispatchInfo.Throw(reason);
            }

            ready.TrySetResult();
            while (pool.TakeCall(this) is { } call)
            {
                Guarded.Run(
                    GuardedEntry.ThreadedCall,
                    (pool, call),
                    static one =>
                    {
                        ValueTask running = one.call.RunAsync();
                        if (!running.IsCompletedSuccessfully)
                            running.AsTask().GetAwaiter().GetResult();
                    },
                    static one => one.call.Name,
                    static (one, unforeseen) =>
                    {
                        one.pool.OnEnded(one.call);
                        one.call.Fail(CallOutcome.Unforeseen(one.call.Name, unforeseen));
                    });
            }
        }
    }

    private void Initialize() => options.Initializer?.Invoke();
}
