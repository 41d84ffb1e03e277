using ManyHands.Serialization;

namespace ManyHands.Managers;

/// <summary>A manager's pool, as those have it who call and those who work.</summary>
internal sealed class RemotePoolObject(ManagerLink link, string name) : RemoteObject(link, name, ObjectKind.Pool, "")
{
    private int room;

    /// <summary>How many calls the workers take together, as the manager said last.</summary>
    public int Room
    {
        get => Volatile.Read(ref room);
        set => Volatile.Write(ref room, value);
    }

    public override void Learn(ReadOnlyMemory<byte> description)
    {
        PayloadReader reader = new(description);
        Room = reader.ReadUnmanaged<int>();
    }

    /// <summary>Asks, and waits for as long as it takes.</summary>
    public Task<ReadOnlyMemory<byte>> AskAsync(Operation operation, ReadOnlyMemory<byte> body, CancellationToken token) =>
        AskAsync(operation, body, Timeout.InfiniteTimeSpan, RequestTraits.None, token: token);

    /// <summary>Becomes a worker; and is none after all if nobody waits for the answer any more.</summary>
    public Task<ReadOnlyMemory<byte>> JoinAsync(ReadOnlyMemory<byte> body, CancellationToken token) =>
        AskAsync(Operation.PoolJoin, body, Timeout.InfiniteTimeSpan, undo: answer => Post(Operation.PoolLeave, (byte[])[.. answer.Span[..sizeof(long)], 1]), token: token);

    /// <summary>Whether there is a worker, as soon as there is.</summary>
    public async Task AwaitWorkerAsync(CancellationToken token) =>
        await AskAsync(Operation.PoolAwait, wait: Timeout.InfiniteTimeSpan, traits: RequestTraits.Repeatable, token: token).ConfigureAwait(false);

    public ReadOnlyMemory<byte> AskState() => Ask(Operation.PoolState, traits: RequestTraits.Repeatable);

    public void Post(Operation operation, ReadOnlyMemory<byte> body) => Link.Post(this, operation, body);

    /// <summary>What came of a call.</summary>
    public (PoolOutcome Outcome, ReadOnlyMemory<byte> Payload) ReadOutcome(ReadOnlyMemory<byte> answer)
    {
        (int now, PoolOutcome outcome, ReadOnlyMemory<byte> payload) = Read(
            answer, static (ref reader) => (reader.ReadUnmanaged<int>(), (PoolOutcome)reader.ReadByte(), reader.ReadMemory(reader.Remaining)));
        Room = now;
        return (outcome, payload);
    }

    /// <summary>What a call has reported since it was asked last, and whether that is all.</summary>
    public ((int Receiver, ReadOnlyMemory<byte> Value)[] Reports, bool IsEnd) ReadReports(ReadOnlyMemory<byte> answer) => Read(answer, static (ref reader) =>
    {
        bool isEnd = reader.ReadByte() != 0;
        (int, ReadOnlyMemory<byte>)[] reports = new (int, ReadOnlyMemory<byte>)[reader.ReadCount(2 * sizeof(int))];
        for (int i = 0; i < reports.Length; i++)
            reports[i] = (reader.ReadUnmanaged<int>(), reader.ReadMemory(reader.ReadCount(1)));
        return (reports, isEnd);
    });

    /// <summary>The pool's state: places, calls of this client that run, workers that came and were lost, the workers.</summary>
    public (int Places, int Running, long Joined, long Lost, PoolWorkerStatistics[] Workers) ReadState(ReadOnlyMemory<byte> answer) => Read(answer, static (ref reader) =>
    {
        int places = reader.ReadUnmanaged<int>();
        int running = reader.ReadUnmanaged<int>();
        long joined = reader.ReadUnmanaged<long>();
        long lost = reader.ReadUnmanaged<long>();
        PoolWorkerStatistics[] workers = new PoolWorkerStatistics[reader.ReadCount(2 * sizeof(long))];
        for (int i = 0; i < workers.Length; i++)
        {
            long number = reader.ReadUnmanaged<long>();
            string name = reader.ReadRequiredString();
            bool isBusy = reader.ReadUnmanaged<int>() > 0;
            workers[i] = new() { Name = name, Id = (int)Math.Min(number, int.MaxValue), IsBusy = isBusy, CurrentCall = reader.ReadString(), EndedCalls = reader.ReadUnmanaged<long>() };
        }

        return (places, running, joined, lost, workers);
    });

    /// <summary>As whom a worker is known, and how many bytes a message may have.</summary>
    public (long Number, int Largest) ReadJoined(ReadOnlyMemory<byte> answer) => Read(answer, static (ref reader) => (reader.ReadUnmanaged<long>(), reader.ReadUnmanaged<int>()));

    /// <summary>What a worker is to do.</summary>
    public (PoolOrder Order, long Ticket, ReadOnlyMemory<byte> Message)[] ReadOrders(ReadOnlyMemory<byte> answer) => Read(answer, static (ref reader) =>
    {
        (PoolOrder, long, ReadOnlyMemory<byte>)[] orders = new (PoolOrder, long, ReadOnlyMemory<byte>)[reader.ReadCount(1 + sizeof(long))];
        for (int i = 0; i < orders.Length; i++)
        {
            PoolOrder order = (PoolOrder)reader.ReadByte();
            orders[i] = (order, reader.ReadUnmanaged<long>(), order == PoolOrder.Run ? reader.ReadMemory(reader.ReadCount(1)) : default);
        }

        return orders;
    });
}
