using System.Buffers.Binary;
using ManyHands.Platform;
using ManyHands.Queues;
using ManyHands.Serialization;

namespace ManyHands.Managers;

/// <summary>An item of a hosted queue. Guarded by the queue's gate.</summary>
internal sealed class QueueItem(long number, byte[] value, int deliveries)
{
    public long Number => number;

    public byte[] Value => value;

    public int Deliveries { get; set; } = deliveries;

    /// <summary>Who has it, on lease or on its way; null while it waits.</summary>
    public ManagerSession? Holder { get; set; }

    /// <summary>Another each time it is given.</summary>
    public long Ticket { get; set; }

    public Deadline? Deadline { get; set; }

    /// <summary>Its removal is being kept: until it is known whether it was, it neither goes nor comes back.</summary>
    public bool IsEnding { get; set; }

    /// <summary>Its time was over, or its holder gone, while that was going on: if it doesn't go, it comes back.</summary>
    public bool IsOverdue { get; set; }
}

/// <summary>
/// A queue that a manager has. Items wait, or are held by a session: on lease, or until it is known that they have arrived. What is held comes back to the front when its session ends or its time is over.
/// With a storage, what is asked for is done when it was kept, so that nobody sees what could be gone after a restart.
/// </summary>
internal sealed class HostedQueue : WaitingObject
{
    /// <summary>Beyond that a batch gets no more items, so that one answer never comes near the largest message.</summary>
    private const int BatchBytes = 256 * 1024;

    private readonly long capacity;
    private readonly StoredBytes bytes;
    private readonly HostedStorage storage;
    private readonly Queue<QueueItem> fresh = new();
    private readonly PriorityQueue<QueueItem, long> returned = new();
    private readonly Dictionary<long, QueueItem> held = [];
    private readonly LinkedList<HostedRequest> writers = new();
    private readonly LinkedList<HostedRequest> joiners = new();
    private long lastNumber;
    // Never one that a manager before this one has given for the same name.
    private long lastTicket = DateTime.UtcNow.Ticks;
    private bool isCompleted;

    // Items that are being added to the storage, or all removed from it: they don't wait (yet, or any more), and it isn't known whether they will.
    private long unsettled;

    public HostedQueue(string name, string typeName, long capacity, StoredBytes bytes, HostedStorage storage, StoredObject? stored)
        : base(name, ObjectKind.Queue, typeName)
    {
        this.capacity = capacity;
        this.bytes = bytes;
        this.storage = storage;
        if (stored is null)
            return;
        foreach ((long number, int deliveries, byte[] value) in stored.Items)
        {
            fresh.Enqueue(new QueueItem(number, value, deliveries));
            bytes.Take(StoredBytes.SizeOf(value));
            lastNumber = number;
        }

        isCompleted = stored.IsCompleted;
    }

    /// <summary>How many wait.</summary>
    public override long Count
    {
        get
        {
            lock (Gate)
                return WaitingItems;
        }
    }

    public override int Waiting
    {
        get
        {
            lock (Gate)
                return Line.Count + writers.Count + joiners.Count;
        }
    }

    private long WaitingItems => fresh.Count + returned.Count;

    private bool IsIdle => WaitingItems == 0 && held.Count == 0 && unsettled == 0;

    public override void Handle(HostedRequest request, ref PayloadReader body)
    {
        switch (request.Operation)
        {
            case Operation.Enqueue:
                Enqueue(request, ref body);
                break;
            case Operation.Dequeue:
                Take(request, new Wish(WireNumber.ReadMost(ref body), IsLease: false, Timeout.InfiniteTimeSpan));
                break;
            case Operation.Lease:
                Take(request, new Wish(1, IsLease: true, WireNumber.ReadTime(ref body)));
                break;
            case Operation.Settle:
                long ticket = body.ReadUnmanaged<long>();
                LeaseEnd end = WireNumber.ReadEnum<LeaseEnd>(ref body);
                Settle(request, ticket, end, WireNumber.ReadTime(ref body));
                break;
            case Operation.Complete:
                Complete(request);
                break;
            case Operation.QueueState:
                AnswerState(request);
                break;
            case Operation.Join:
                lock (Gate)
                {
                    if (IsIdle)
                        AnswerByte(request, 1);
                    else
                        Wait(request, joiners);
                }

                break;
            case Operation.ClearQueue:
                Clear(request);
                break;
            default:
                Unknown(request, Kind);
                break;
        }
    }

    /// <summary>An item that was given for good has arrived: it is its receiver's.</summary>
    public override void Arrived(object? item, long ticket, ManagerSession session)
    {
        lock (Gate)
        {
            if (item is QueueItem { IsEnding: false } given && given.Holder == session && given.Ticket == ticket)
                Remove(given);
        }
    }

    public override void Leave(ManagerSession session)
    {
        using FlushScope scope = FlushScope.Enter();
        lock (Gate)
        {
            foreach (QueueItem item in held.Values.Where(item => item.Holder == session).ToArray())
                ReturnWhenSettled(item);
            Serve();
        }
    }

    public override void Stop()
    {
        base.Stop();
        lock (Gate)
        {
            foreach (HostedRequest request in writers.Concat(joiners).ToArray())
            {
                TakeOut(request);
                request.Refuse(FailureKind.Gone, $"The manager has stopped, and '{Name}' with it.");
            }
        }
    }

    public override void Describe(PayloadWriter writer) => writer.WriteUnmanaged(capacity);

    public override void Withdraw(HostedRequest request, WithdrawalReason reason)
    {
        if (request.State is not Batch batch)
        {
            base.Withdraw(request, reason);
            return;
        }

        lock (Gate)
        {
            if (request.Place is null)
                return;

            // What was added is added, whatever became of the rest: the writer hears how many.
            TakeOut(request);
            batch.IsOver = true;
            AnswerIfOver(request, batch);
            AdmitWriters();
        }
    }

    private void Enqueue(HostedRequest request, ref PayloadReader body)
    {
        int count = body.ReadCount(sizeof(int));
        byte[][] values = new byte[count][];
        for (int i = 0; i < count; i++)
            values[i] = ReadBlock(ref body);
        Batch batch = new(values);
        lock (Gate)
        {
            if (storage.Refuses(request))
                return;
            if (isCompleted)
            {
                request.Refuse(FailureKind.Completed, "The queue was completed: nothing can be added any more.");
                return;
            }

            // Who came before goes before.
            request.State = batch;
            if (writers.Count == 0 && AddAndServe(request, batch))
                return;
            if (request.Timeout != TimeSpan.Zero)
            {
                Wait(request, writers);
                return;
            }

            batch.IsOver = true;
            AnswerIfOver(request, batch);
        }
    }

    // Adds what there is room for, and hands it to those who wait, which makes room. True if nothing is left to add of it.
    private bool AddAndServe(HostedRequest request, Batch batch)
    {
        while (true)
        {
            Add(request, batch);
            if (!ServeReaders() || batch.IsOver)
                return batch.IsOver;
        }
    }

    private void Add(HostedRequest request, Batch batch)
    {
        int first = batch.Next;
        while (!batch.IsOver && batch.Next < batch.Values.Length && (capacity == 0 || WaitingItems + unsettled < capacity))
        {
            byte[] value = batch.Values[batch.Next];
            if (!bytes.TryTake(StoredBytes.SizeOf(value)))
            {
                batch.Fail(FailureKind.Quota, bytes.Full(Name));
                break;
            }

            batch.Next++;
            if (storage.IsThere)
            {
                unsettled++;
                continue;
            }

            fresh.Enqueue(new QueueItem(++lastNumber, value, deliveries: 0));
            batch.Added++;
        }

        if (batch.Next == batch.Values.Length)
            batch.IsOver = true;
        if (storage.IsThere && batch.Next > first)
            Keep(request, batch, first, batch.Next - first);
        AnswerIfOver(request, batch);
    }

    // They wait for their takers when they are kept.
    private void Keep(HostedRequest request, Batch batch, int first, int count)
    {
        QueueItem[] items = new QueueItem[count];
        StorageChange[] changes = new StorageChange[count];
        for (int i = 0; i < count; i++)
        {
            items[i] = new QueueItem(++lastNumber, batch.Values[first + i], deliveries: 0);
            changes[i] = storage.Change(StorageChangeKind.ItemAdded, items[i].Number, value: items[i].Value);
        }

        batch.BeingKept++;
        storage.Keep(request, changes, failure =>
        {
            lock (Gate)
            {
                batch.BeingKept--;
                unsettled -= count;
                foreach (QueueItem item in items)
                {
                    if (failure is null)
                        fresh.Enqueue(item);
                    else
                        bytes.Free(StoredBytes.SizeOf(item.Value));
                }

                if (failure is null)
                {
                    batch.Added += count;
                }
                else
                {
                    TakeOut(request);
                    batch.Fail(FailureKind.NotStored, ExceptionText.MessageOf(failure));
                }

                AnswerIfOver(request, batch);
                Serve();
            }
        });
    }

    private void AnswerIfOver(HostedRequest request, Batch batch)
    {
        if (!batch.IsOver || batch.BeingKept > 0)
            return;
        if (batch.Failure is not { } failure)
        {
            Span<byte> count = stackalloc byte[4];
            BinaryPrimitives.WriteInt32LittleEndian(count, batch.Added);
            request.Answer(count);
            return;
        }

        string added = batch.Values.Length == 1 ? "" : $" {batch.Added:N0} of the {batch.Values.Length:N0} items were added.";
        if (failure.Kind == FailureKind.NotStored)
            request.Refuse(failure.Kind, $"'{Name}' was not changed, as the storage couldn't keep the change: {failure.Message}{added}");
        else
            request.Refuse(failure.Kind, failure.Message + added);
    }

    private void AdmitWriters()
    {
        while (writers.First is { Value: var request })
        {
            if (isCompleted)
            {
                TakeOut(request);
                Batch batch = (Batch)request.State!;
                batch.Fail(FailureKind.Completed, "The queue was completed while this waited for room.");
                AnswerIfOver(request, batch);
            }
            else if (AddAndServe(request, (Batch)request.State!))
            {
                TakeOut(request);
            }
            else
            {
                break;
            }
        }
    }

    private void Take(HostedRequest request, Wish wish)
    {
        lock (Gate)
        {
            if (storage.Refuses(request))
                return;
            if (Line.Count == 0 && WaitingItems > 0)
            {
                if (Give(request, wish))
                    AdmitWriters();
                EndIfIdle();
                return;
            }

            if (isCompleted && IsIdle && writers.Count == 0)
            {
                AnswerByte(request, (byte)TakeResult.Ended);
                return;
            }

            request.State = wish;
            Wait(request);
        }
    }

    // Something may have come or gone: hands out what there is, admits who waits for room, tells who waits for the end. Under the gate.
    private void Serve()
    {
        ServeReaders();
        AdmitWriters();
        EndIfIdle();
    }

    private bool ServeReaders()
    {
        bool gave = false;
        while (WaitingItems > 0 && Line.First is { Value: var request })
        {
            TakeOut(request);
            gave |= Give(request, (Wish)request.State!);
        }

        return gave;
    }

    private void EndIfIdle()
    {
        if (!IsIdle)
            return;
        while (joiners.First is { Value: var joiner })
        {
            TakeOut(joiner);
            AnswerByte(joiner, 1);
        }

        if (!isCompleted)
            return;
        while (Line.First is { Value: var reader })
        {
            TakeOut(reader);
            AnswerByte(reader, (byte)TakeResult.Ended);
        }
    }

    private bool Give(HostedRequest request, Wish wish)
    {
        try
        {
            if (storage.Refuses(request) || !request.Session.Touch(this))
                return false;
            return wish.IsLease ? GiveLease(request, wish) : wish.Most == 1 ? CanTakeFirst(request) && GiveOne(request) : GiveSeveral(request, wish.Most);
        }
        catch (Exception reason)
        {
            // Whoever is served here isn't the one who brought the item.
            request.Fail(reason);
            return false;
        }
    }

    private bool CanTakeFirst(HostedRequest request)
    {
        QueueItem first = First();
        if (!request.CanTake([], first.Value))
            return false;

        // Looking at it may have run code of the program's.
        if (WaitingItems > 0 && First() == first)
            return true;
        request.Refuse(FailureKind.BadRequest, $"Reading an item of '{Name}' changes the queue.");
        return false;
    }

    private QueueItem First() => returned.Count > 0 ? returned.Peek() : fresh.Peek();

    private bool GiveOne(HostedRequest request)
    {
        QueueItem item = Hold(request.Session);
        Span<byte> head = stackalloc byte[1 + 4 + 8 + 4];
        head[0] = (byte)TakeResult.Taken;
        BinaryPrimitives.WriteInt32LittleEndian(head[1..], 1);
        BinaryPrimitives.WriteInt64LittleEndian(head[5..], item.Ticket);
        BinaryPrimitives.WriteInt32LittleEndian(head[13..], item.Value.Length);
        return Hand(request, [item], head, item.Value);
    }

    private bool GiveSeveral(HostedRequest request, int most)
    {
        List<QueueItem> items = [];
        int size = 0;
        while (items.Count < most && WaitingItems > 0 && size < BatchBytes)
        {
            QueueItem item = Hold(request.Session);
            items.Add(item);
            size += item.Value.Length + 12;
        }

        using PayloadWriter writer = new(size + 16);
        writer.WriteByte((byte)TakeResult.Taken);
        writer.WriteUnmanaged(items.Count);
        foreach (QueueItem item in items)
        {
            writer.WriteUnmanaged(item.Ticket);
            WriteBlock(writer, item.Value);
        }

        return Hand(request, System.Runtime.InteropServices.CollectionsMarshal.AsSpan(items), writer.WrittenSpan, default);
    }

    private bool Hand(HostedRequest request, ReadOnlySpan<QueueItem> items, ReadOnlySpan<byte> head, ReadOnlySpan<byte> rest)
    {
        foreach (QueueItem item in items)
            storage.Record(StorageChangeKind.ItemDelivered, item.Number);
        bool isAnswered = request.Session.ConfirmsDeliveries
            ? request.Session.AnswerDelivering(request, this, items, head, rest)
            : request.Answer(head, rest);
        foreach (QueueItem item in items)
        {
            if (!isAnswered)
                Return(item);
            else if (!request.Session.ConfirmsDeliveries)
                Remove(item);
        }

        return isAnswered;
    }

    private bool GiveLease(HostedRequest request, Wish wish)
    {
        QueueItem item = Hold(request.Session);
        if (!storage.IsThere)
            return AnswerLease(request, item, wish);

        // That it was given is kept before it is: a manager that starts again knows which items somebody may have worked on.
        long ticket = item.Ticket;
        storage.Keep(request, storage.Change(StorageChangeKind.ItemDelivered, item.Number), failure =>
        {
            lock (Gate)
            {
                bool isStillGiven = item.Ticket == ticket && item.Holder is not null;
                if (failure is not null)
                {
                    item.Deliveries--;
                    if (isStillGiven)
                        Return(item);
                    storage.RefuseUnkept(request, failure);
                    Serve();
                }
                else if (!isStillGiven)
                    request.Refuse(FailureKind.Gone, "The item has come back in the moment that it was given.");
                else if (!AnswerLease(request, item, wish))
                    Serve();
            }
        });
        return true;
    }

    private bool AnswerLease(HostedRequest request, QueueItem item, Wish wish)
    {
        Span<byte> head = stackalloc byte[1 + 8 + 4 + 4];
        head[0] = (byte)TakeResult.Taken;
        BinaryPrimitives.WriteInt64LittleEndian(head[1..], item.Ticket);
        BinaryPrimitives.WriteInt32LittleEndian(head[9..], item.Deliveries);
        BinaryPrimitives.WriteInt32LittleEndian(head[13..], item.Value.Length);
        if (!request.Answer(head, item.Value))
        {
            Return(item);
            return false;
        }

        SetDeadline(item, wish.Duration);
        return true;
    }

    private QueueItem Hold(ManagerSession session)
    {
        QueueItem item = returned.Count > 0 ? returned.Dequeue() : fresh.Dequeue();
        item.Holder = session;
        item.Ticket = ++lastTicket;
        item.Deliveries++;
        held.Add(item.Ticket, item);
        return item;
    }

    private void SetDeadline(QueueItem item, TimeSpan time)
    {
        item.Deadline?.Cancel();
        item.Deadline = null;
        if (time == Timeout.InfiniteTimeSpan)
            return;
        long ticket = item.Ticket;
        item.Deadline = Deadlines.After(time, () => EndLease(ticket));
    }

    private void EndLease(long ticket)
    {
        using FlushScope scope = FlushScope.Enter();
        lock (Gate)
        {
            if (!held.TryGetValue(ticket, out QueueItem? item))
                return;
            ReturnWhenSettled(item);
            Serve();
        }
    }

    private void ReturnWhenSettled(QueueItem item)
    {
        if (item.IsEnding)
            item.IsOverdue = true;
        else
            Return(item);
    }

    // Under the gate; the caller serves.
    private void Return(QueueItem item)
    {
        Release(item);
        returned.Enqueue(item, item.Number);
    }

    // Under the gate. For good.
    private void Remove(QueueItem item)
    {
        Release(item);
        bytes.Free(StoredBytes.SizeOf(item.Value));
        storage.Record(StorageChangeKind.ItemRemoved, item.Number);
        EndIfIdle();
    }

    private void Release(QueueItem item)
    {
        held.Remove(item.Ticket);
        item.Holder = null;
        item.Deadline?.Cancel();
        item.Deadline = null;
    }

    private void Settle(HostedRequest request, long ticket, LeaseEnd end, TimeSpan time)
    {
        lock (Gate)
        {
            if (!held.TryGetValue(ticket, out QueueItem? item) || item.Holder != request.Session || item.IsEnding)
            {
                AnswerBool(request, false);
                return;
            }

            switch (end)
            {
                case LeaseEnd.Completed:
                    EndForGood(request, item);
                    break;
                case LeaseEnd.Abandoned:
                    AnswerBool(request, true);
                    Return(item);
                    Serve();
                    break;
                case LeaseEnd.Renewed:
                    SetDeadline(item, time);
                    AnswerBool(request, true);
                    break;
            }
        }
    }

    private void EndForGood(HostedRequest request, QueueItem item)
    {
        if (storage.Refuses(request))
            return;
        item.IsEnding = true;
        storage.Keep(request, storage.Change(StorageChangeKind.ItemRemoved, item.Number), failure =>
        {
            lock (Gate)
            {
                item.IsEnding = false;
                if (failure is null)
                {
                    Release(item);
                    bytes.Free(StoredBytes.SizeOf(item.Value));
                    AnswerBool(request, true);
                    EndIfIdle();
                    return;
                }

                storage.RefuseUnkept(request, failure);
                if (!item.IsOverdue)
                    return;
                item.IsOverdue = false;
                Return(item);
                Serve();
            }
        });
    }

    private void Complete(HostedRequest request)
    {
        lock (Gate)
        {
            if (isCompleted)
            {
                request.Answer();
                return;
            }

            if (storage.Refuses(request))
                return;
            storage.Keep(request, storage.Change(StorageChangeKind.Completed), failure =>
            {
                lock (Gate)
                {
                    if (failure is not null)
                    {
                        storage.RefuseUnkept(request, failure);
                        return;
                    }

                    isCompleted = true;
                    request.Answer();
                    Serve();
                }
            });
        }
    }

    private void Clear(HostedRequest request)
    {
        lock (Gate)
        {
            if (storage.Refuses(request))
                return;
            QueueItem[] items = new QueueItem[WaitingItems];
            for (int i = 0; i < items.Length; i++)
                items[i] = returned.Count > 0 ? returned.Dequeue() : fresh.Dequeue();
            unsettled += items.Length;
            StorageChange[] changes = storage.IsThere ? [.. items.Select(item => storage.Change(StorageChangeKind.ItemRemoved, item.Number))] : [];
            storage.Keep(request, changes, failure =>
            {
                lock (Gate)
                {
                    unsettled -= items.Length;
                    foreach (QueueItem item in items)
                    {
                        if (failure is null)
                            bytes.Free(StoredBytes.SizeOf(item.Value));
                        else
                            returned.Enqueue(item, item.Number);
                    }

                    if (failure is null)
                        AnswerLong(request, items.Length);
                    else
                        storage.RefuseUnkept(request, failure);
                    Serve();
                }
            });
        }
    }

    private void AnswerState(HostedRequest request)
    {
        Span<byte> state = stackalloc byte[8 + 8 + 4 + 1];
        lock (Gate)
        {
            BinaryPrimitives.WriteInt64LittleEndian(state, capacity);
            BinaryPrimitives.WriteInt64LittleEndian(state[8..], WaitingItems);
            BinaryPrimitives.WriteInt32LittleEndian(state[16..], held.Count);
            state[20] = isCompleted ? (byte)1 : (byte)0;
            request.Answer(state);
        }
    }

    /// <summary>What who waits wants.</summary>
    private sealed record Wish(int Most, bool IsLease, TimeSpan Duration);

    /// <summary>What is being added.</summary>
    private sealed class Batch(byte[][] values)
    {
        public byte[][] Values => values;

        /// <summary>The first that is to be added yet.</summary>
        public int Next { get; set; }

        /// <summary>How many have been.</summary>
        public int Added { get; set; }

        /// <summary>How many parts of it are on their way to the storage.</summary>
        public int BeingKept { get; set; }

        /// <summary>Nothing more of it will be added.</summary>
        public bool IsOver { get; set; }

        /// <summary>Why.</summary>
        public (FailureKind Kind, string Message)? Failure { get; private set; }

        public void Fail(FailureKind kind, string message)
        {
            IsOver = true;
            Failure ??= (kind, message);
        }
    }
}
