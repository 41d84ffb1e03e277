using ManyHands.Serialization;

namespace ManyHands.Managers;

/// <summary>A queue, as <c>queue.Queue</c> has it.</summary>
internal sealed class PythonExportedQueue(HostedQueue queue, string typeId, string ident) : PythonExport(queue, typeId, ident)
{
    private static readonly string[] Methods = ["empty", "full", "get", "get_nowait", "join", "put", "put_nowait", "qsize", "task_done"];

    private readonly Lock gate = new();
    private readonly Dictionary<PythonSession, int> undone = [];
    private TaskCompletionSource? allDone;
    private long open;

    public override IReadOnlyList<string> Exposed => Methods;

    public override async Task<object?> CallAsync(PythonSession session, PythonArguments arguments)
    {
        switch (arguments.Method)
        {
            case "put":
                object?[] put = arguments.Bind(1, "item", "block", "timeout");
                await PutAsync(session, put[0], WaitOf(arguments, put[1], put[2])).ConfigureAwait(false);
                return null;
            case "put_nowait":
                await PutAsync(session, arguments.Bind(1, "item")[0], TimeSpan.Zero).ConfigureAwait(false);
                return null;
            case "get":
                object?[] get = arguments.Bind(0, "block", "timeout");
                return await GetAsync(session, WaitOf(arguments, get[0], get[1])).ConfigureAwait(false);
            case "get_nowait":
                arguments.None();
                return await GetAsync(session, TimeSpan.Zero).ConfigureAwait(false);
            case "qsize":
                arguments.None();
                return (await StateAsync(session).ConfigureAwait(false)).Waiting;
            case "empty":
                arguments.None();
                return (await StateAsync(session).ConfigureAwait(false)).Waiting == 0;
            case "full":
                arguments.None();
                (long capacity, long waiting) = await StateAsync(session).ConfigureAwait(false);
                return capacity > 0 && waiting >= capacity;
            case "task_done":
                arguments.None();
                Done(session);
                return null;
            case "join":
                arguments.None();
                await JoinAsync(session).ConfigureAwait(false);
                return null;
            default:
                throw Hidden(arguments);
        }
    }

    /// <summary>Nobody is left who would say that what it got is done.</summary>
    public override void Left(PythonSession session, bool inGoodOrder)
    {
        lock (gate)
        {
            if (undone.Remove(session, out int count))
                Close(count);
        }
    }

    // Python's first looks at the time if it is to wait at all.
    private static TimeSpan WaitOf(PythonArguments arguments, object? block, object? timeout) => PythonArguments.Truth(block, missing: true) ? arguments.Wait(timeout) : TimeSpan.Zero;

    private async Task PutAsync(PythonSession session, object? item, TimeSpan wait)
    {
        ReadOnlyMemory<byte> body;
        using (PayloadWriter writer = new())
        {
            writer.WriteUnmanaged(1);
            Hosted.Items!.WriteBlock(writer, item, "item");
            body = writer.WrittenSpan.ToArray();
        }

        ReadOnlyMemory<byte> answer = await session.AskAsync(Hosted, Operation.Enqueue, wait, body).ConfigureAwait(false);
        if (BitConverter.ToInt32(answer.Span) == 0)
            throw PythonRaisedException.Full();
    }

    private async Task<object?> GetAsync(PythonSession session, TimeSpan wait)
    {
        ReadOnlyMemory<byte> answer = await session.AskAsync(Hosted, Operation.Dequeue, wait, BitConverter.GetBytes(1), (_, item) => Hosted.Items!.Read(item)).ConfigureAwait(false);
        switch ((TakeResult)answer.Span[0])
        {
            case TakeResult.TimedOut:
                throw PythonRaisedException.Empty();
            case TakeResult.Ended:
                throw PythonRaisedException.Builtin("EOFError", "The queue is empty and was completed: nothing will come any more.");
        }

        lock (gate)
        {
            if (!session.IsEnded)
            {
                undone[session] = undone.GetValueOrDefault(session) + 1;
                open++;
            }
        }

        return PythonSession.Written;
    }

    private async Task<(long Capacity, long Waiting)> StateAsync(PythonSession session)
    {
        ReadOnlyMemory<byte> answer = await session.AskAsync(Hosted, Operation.QueueState).ConfigureAwait(false);
        return (BitConverter.ToInt64(answer.Span), BitConverter.ToInt64(answer.Span[8..]));
    }

    private void Done(PythonSession session)
    {
        lock (gate)
        {
            if (open == 0)
                throw PythonRaisedException.Builtin("ValueError", "task_done() called too many times");

            // Whose it was matters only if its connection ends; a thread may well say it for another.
            PythonSession whose = undone.ContainsKey(session) ? session : undone.Keys.First();
            if (--undone[whose] == 0)
                undone.Remove(whose);
            Close(1);
        }
    }

    // Under the gate.
    private void Close(int count)
    {
        open -= count;
        if (open > 0)
            return;
        allDone?.TrySetResult();
        allDone = null;
    }

    private async Task JoinAsync(PythonSession session)
    {
        while (true)
        {
            await session.AskAsync(Hosted, Operation.Join, Timeout.InfiniteTimeSpan).ConfigureAwait(false);
            Task done;
            lock (gate)
            {
                if (open == 0)
                    return;
                done = (allDone ??= new(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
            }

            await session.UntilEnded(done).ConfigureAwait(false);
        }
    }
}
