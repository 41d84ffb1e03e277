using System.Buffers.Binary;
using ManyHands.Platform;
using ManyHands.Serialization;

namespace ManyHands.Managers;

/// <summary>An entry of a hosted dictionary. Guarded by the dictionary's gate; its arrays are not changed any more.</summary>
internal sealed class DictionaryEntry(long number, PythonKey key, byte[] keyBytes, byte[] value)
{
    /// <summary>Ascending in the order of arrival.</summary>
    public long Number => number;

    public PythonKey Key => key;

    public byte[] KeyBytes => keyBytes;

    public byte[] Value { get; set; } = value;

    public bool IsGone { get; set; }
}

/// <summary>
/// A dictionary that a manager has, in the order in which keys have come. Keys are equal if they are the same bytes; those that may be anything are equal as Python has it, where 1, 1.0 and True are one key: the one that came first stays.
/// </summary>
/// <remarks>
/// With a storage, a change is made when it was kept, so that nobody sees what could be gone after a restart. While a key's change is on its way there, what else is asked for that key waits, and what comes after that; changes of
/// different keys go together.
/// </remarks>
internal sealed class HostedDictionary : HostedObject
{
    /// <summary>Beyond that a page gets no more entries.</summary>
    private const int PageBytes = 256 * 1024;

    private readonly bool hasPlainKeys;
    private readonly StoredBytes bytes;
    private readonly HostedStorage storage;
    private readonly Dictionary<PythonKey, DictionaryEntry> entries = [];

    // By number, with those that are gone until they are more than those that are there.
    private readonly List<DictionaryEntry> order = [];
    private readonly HashSet<PythonKey> beingKept = [];
    private readonly Queue<Request> deferred = new();
    private bool isAllBeingKept;
    private bool isGoingOn;
    private long lastNumber;

    /// <param name="hasPlainKeys">Whether keys may be plain data of any kind.</param>
    public HostedDictionary(string name, string typeName, bool hasPlainKeys, StoredBytes bytes, HostedStorage storage, StoredObject? stored)
        : base(name, ObjectKind.Dictionary, typeName)
    {
        this.hasPlainKeys = hasPlainKeys;
        this.bytes = bytes;
        this.storage = storage;
        if (stored is null)
            return;
        foreach ((byte[] key, byte[] value) in stored.Entries)
        {
            bytes.Take(SizeOf(key, value));
            Insert(KeyOf(key), key, value);
        }
    }

    /// <summary>Its keys, as Python has them.</summary>
    public required PythonItems KeyItems { get; init; }

    public override long Count
    {
        get
        {
            lock (Gate)
                return entries.Count;
        }
    }

    /// <summary>How many wait for the storage.</summary>
    public override int Waiting
    {
        get
        {
            lock (Gate)
                return deferred.Count;
        }
    }

    /// <summary>All there is at this moment.</summary>
    public (byte[] Key, byte[] Value)[] Snapshot()
    {
        lock (Gate)
            return [.. order.Where(entry => !entry.IsGone).Select(entry => (entry.KeyBytes, entry.Value))];
    }

    public override void Handle(HostedRequest request, ref PayloadReader body)
    {
        switch (request.Operation)
        {
            case Operation.Get or Operation.Remove:
                byte[] key = ReadBlock(ref body);
                InTurn(new(request, [new(KeyOf(key), key, [])]));
                break;
            case Operation.Put or Operation.Add:
                InTurn(new(request, ReadEntries(ref body, 1)));
                break;
            case Operation.PutAll:
                InTurn(new(request, ReadEntries(ref body, body.ReadCount(2 * sizeof(int)))));
                break;
            case Operation.ReplaceIf:
                Entry[] replaced = ReadEntries(ref body, 1);
                InTurn(new(request, replaced) { Comparand = ReadBlock(ref body) });
                break;
            case Operation.RemoveLast or Operation.Clear:
                InTurn(new(request, []) { NeedsAll = true });
                break;
            case Operation.Count:
                lock (Gate)
                    AnswerLong(request, entries.Count);
                break;
            case Operation.Entries:
                AnswerPage(request, body.ReadUnmanaged<long>());
                break;
            default:
                Unknown(request, Kind);
                break;
        }
    }

    public override void Withdraw(HostedRequest request, WithdrawalReason reason)
    {
        // Nothing waits here.
    }

    public override void Stop()
    {
        // Nobody waits here.
    }

    private PythonKey KeyOf(byte[] key)
    {
        if (!hasPlainKeys)
            return new(key);
        object? value;
        try
        {
            value = PickleReader.Read(key);
        }
        catch (InvalidPickleException damage)
        {
            throw new InvalidPayloadException($"The key can't be read: {ExceptionText.MessageOf(damage)}", damage);
        }

        return PythonEquality.RefusalAsKey(value) is { } refusal ? throw new InvalidPayloadException($"The key is refused: {refusal}.") : new(value);
    }

    private Entry[] ReadEntries(ref PayloadReader body, int count)
    {
        Entry[] read = new Entry[count];
        foreach (ref Entry entry in read.AsSpan())
        {
            byte[] key = ReadBlock(ref body);
            entry = new(KeyOf(key), key, ReadBlock(ref body));
        }

        return read;
    }

    private void InTurn(Request asked)
    {
        lock (Gate)
        {
            if (asked.Hosted.Operation != Operation.Get && storage.Refuses(asked.Hosted))
                return;
            if (deferred.Count == 0 && IsTurnOf(asked))
            {
                Do(asked);
            }
            else if (bytes.TryTake(asked.Size))
            {
                deferred.Enqueue(asked);
            }
            else
            {
                asked.Hosted.Refuse(FailureKind.Quota, bytes.Full(Name));
            }
        }
    }

    private bool IsTurnOf(Request asked) => !isAllBeingKept && (beingKept.Count == 0 || (!asked.NeedsAll && !asked.Entries.Any(entry => beingKept.Contains(entry.Key))));

    // Under the gate: those whose turn it is now.
    private void GoOn()
    {
        if (isGoingOn)
            return;
        isGoingOn = true;
        try
        {
            while (deferred.TryPeek(out Request? next) && IsTurnOf(next))
            {
                deferred.Dequeue();
                bytes.Free(next.Size);
                try
                {
                    Do(next);
                }
                catch (Exception reason)
                {
                    // Whoever is served here isn't the one whose change was kept.
                    next.Hosted.Fail(reason);
                }
            }
        }
        finally
        {
            isGoingOn = false;
        }
    }

    private void Do(Request asked)
    {
        HostedRequest request = asked.Hosted;
        Entry entry = asked.Entries is [var first, ..] ? first : default;
        switch (request.Operation)
        {
            case Operation.Get:
                AnswerBlock(request, entries.GetValueOrDefault(entry.Key)?.Value);
                break;
            case Operation.Put or Operation.PutAll:
                Keep(asked, () => request.Answer());
                break;
            case Operation.Add:
                Add(asked, entry);
                break;
            case Operation.ReplaceIf:
                ReplaceIf(asked, entry);
                break;
            case Operation.Remove:
                if (entries.GetValueOrDefault(entry.Key) is { } removed)
                    Remove(asked, removed, () => AnswerBlock(request, removed.Value));
                else
                    AnswerBool(request, false);
                break;
            case Operation.RemoveLast:
                RemoveLast(asked);
                break;
            default:
                Keep(asked, [storage.Change(StorageChangeKind.Cleared)], 0, () =>
                {
                    bytes.Free(entries.Values.Sum(one => SizeOf(one.KeyBytes, one.Value)));
                    entries.Clear();
                    order.Clear();
                    request.Answer();
                });
                break;
        }
    }

    private void Add(Request asked, Entry added)
    {
        if (!entries.TryGetValue(added.Key, out DictionaryEntry? there))
        {
            Keep(asked, () => AnswerBool(asked.Hosted, true));
            return;
        }

        Span<byte> head = stackalloc byte[1 + sizeof(int)];
        head[0] = 0;
        BinaryPrimitives.WriteInt32LittleEndian(head[1..], there.Value.Length);
        asked.Hosted.Answer(head, there.Value);
    }

    private void ReplaceIf(Request asked, Entry replaced)
    {
        DictionaryEntry? there = entries.GetValueOrDefault(replaced.Key);
        if (there is not null && there.Value.AsSpan().SequenceEqual(asked.Comparand))
        {
            Keep(asked, () => AnswerBool(asked.Hosted, true));
            return;
        }

        using PayloadWriter writer = new((there?.Value.Length ?? 0) + 8);
        writer.WriteByte(0);
        writer.WriteByte(there is null ? (byte)0 : (byte)1);
        if (there is not null)
            WriteBlock(writer, there.Value);
        asked.Hosted.Answer(writer.WrittenSpan);
    }

    private void RemoveLast(Request asked)
    {
        if (entries.Count == 0)
        {
            AnswerBool(asked.Hosted, false);
            return;
        }

        DictionaryEntry entry = order.FindLast(one => !one.IsGone)!;
        Remove(asked, entry, () =>
        {
            using PayloadWriter writer = new(entry.KeyBytes.Length + entry.Value.Length + 16);
            writer.WriteByte(1);
            WriteBlock(writer, entry.KeyBytes);
            WriteBlock(writer, entry.Value);
            asked.Hosted.Answer(writer.WrittenSpan);
        });
    }

    private void Remove(Request asked, DictionaryEntry entry, Action answer)
    {
        if (!CanTake(asked.Hosted, entry))
            return;
        Keep(asked, [storage.Change(StorageChangeKind.EntryRemoved, key: entry.KeyBytes)], 0, () =>
        {
            entries.Remove(entry.Key);
            Forget(entry);
            answer();
        });
    }

    private bool CanTake(HostedRequest request, DictionaryEntry entry)
    {
        byte[] value = entry.Value;
        if (!request.CanTake(entry.KeyBytes, value))
            return false;

        // Looking at it may have run code of the program's.
        if (!entry.IsGone && entry.Value == value)
            return true;
        request.Refuse(FailureKind.BadRequest, $"Reading a value of '{Name}' changes the dictionary.");
        return false;
    }

    /// <summary>Sets all entries that are asked for, or none.</summary>
    private void Keep(Request asked, Action answer)
    {
        Dictionary<PythonKey, (byte[] KeyBytes, int Length)> sizes = [];
        StorageChange[] changes = new StorageChange[asked.Entries.Length];
        long growth = 0;
        for (int i = 0; i < changes.Length; i++)
        {
            (PythonKey key, byte[] keyBytes, byte[] value) = asked.Entries[i];

            // Of equal keys, the first stays; it may be in the same request.
            if (sizes.TryGetValue(key, out (byte[] KeyBytes, int Length) before))
                growth += value.Length - before.Length;
            else if (entries.TryGetValue(key, out DictionaryEntry? there))
                growth += value.Length - (before = (there.KeyBytes, there.Value.Length)).Length;
            else
                growth += SizeOf((before.KeyBytes = keyBytes), value);
            if (changes.Length > 1)
                sizes[key] = (before.KeyBytes, value.Length);
            changes[i] = storage.Change(StorageChangeKind.EntrySet, key: before.KeyBytes, value: value);
        }

        Keep(asked, changes, growth, () =>
        {
            foreach (Entry entry in asked.Entries)
            {
                if (entries.TryGetValue(entry.Key, out DictionaryEntry? there))
                    there.Value = entry.Value;
                else
                    Insert(entry.Key, entry.KeyBytes, entry.Value);
            }

            answer();
        });
    }

    /// <summary>Makes a change when it is kept.</summary>
    /// <param name="growth">How many bytes the dictionary holds more by it, if <paramref name="make"/> doesn't count them.</param>
    private void Keep(Request asked, StorageChange[] changes, long growth, Action make)
    {
        if (storage.Refuses(asked.Hosted))
            return;
        if (growth > 0 && !bytes.TryTake(growth))
        {
            asked.Hosted.Refuse(FailureKind.Quota, bytes.Full(Name));
            return;
        }

        if (!storage.IsThere || changes.Length == 0)
        {
            Make(growth, make);
            return;
        }

        BeginKeeping(asked);
        storage.Keep(asked.Hosted, changes, failure =>
        {
            lock (Gate)
            {
                EndKeeping(asked);
                if (failure is null)
                {
                    Make(growth, make);
                }
                else
                {
                    bytes.Free(Math.Max(0, growth));
                    storage.RefuseUnkept(asked.Hosted, failure);
                }

                GoOn();
            }
        });
    }

    private void Make(long growth, Action make)
    {
        bytes.Free(Math.Max(0, -growth));
        make();
    }

    private void BeginKeeping(Request asked)
    {
        isAllBeingKept = asked.NeedsAll;
        foreach (Entry entry in asked.Entries)
            beingKept.Add(entry.Key);
    }

    private void EndKeeping(Request asked)
    {
        isAllBeingKept = false;
        foreach (Entry entry in asked.Entries)
            beingKept.Remove(entry.Key);
    }

    private void AnswerPage(HostedRequest request, long first)
    {
        using PayloadWriter writer = new();
        lock (Gate)
        {
            writer.WriteUnmanaged(-1L);
            writer.WriteUnmanaged(0);
            int count = 0;
            for (int i = IndexOf(first); i < order.Count; i++)
            {
                DictionaryEntry entry = order[i];
                if (entry.IsGone)
                    continue;
                if (count > 0 && writer.Length + entry.KeyBytes.Length + entry.Value.Length > PageBytes)
                {
                    writer.PatchInt64(0, entry.Number);
                    break;
                }

                WriteBlock(writer, entry.KeyBytes);
                WriteBlock(writer, entry.Value);
                count++;
            }

            writer.PatchInt32(sizeof(long), count);
            request.Answer(writer.WrittenSpan);
        }
    }

    private static void AnswerBlock(HostedRequest request, byte[]? block)
    {
        if (block is null)
        {
            AnswerBool(request, false);
            return;
        }

        Span<byte> head = stackalloc byte[1 + sizeof(int)];
        head[0] = 1;
        BinaryPrimitives.WriteInt32LittleEndian(head[1..], block.Length);
        request.Answer(head, block);
    }

    private DictionaryEntry Insert(PythonKey key, byte[] keyBytes, byte[] value)
    {
        DictionaryEntry entry = new(++lastNumber, key, keyBytes, value);
        entries.Add(key, entry);
        order.Add(entry);
        return entry;
    }

    private void Forget(DictionaryEntry entry)
    {
        entry.IsGone = true;
        bytes.Free(SizeOf(entry.KeyBytes, entry.Value));
        while (order.Count > 0 && order[^1].IsGone)
            order.RemoveAt(order.Count - 1);
        if (order.Count > 16 && order.Count > 2 * entries.Count)
            order.RemoveAll(one => one.IsGone);
    }

    // The first whose number is as high.
    private int IndexOf(long number)
    {
        int low = 0;
        int high = order.Count;
        while (low < high)
        {
            int middle = (low + high) >>> 1;
            if (order[middle].Number < number)
                low = middle + 1;
            else
                high = middle;
        }

        return low;
    }

    private static long SizeOf(byte[] key, byte[] value) => StoredBytes.SizeOf(value) + key.Length;

    private readonly record struct Entry(PythonKey Key, byte[] KeyBytes, byte[] Value);

    /// <summary>What is asked for, read.</summary>
    private sealed class Request(HostedRequest hosted, Entry[] entries)
    {
        public HostedRequest Hosted => hosted;

        public Entry[] Entries => entries;

        public byte[]? Comparand { get; init; }

        /// <summary>Whether it is about all keys.</summary>
        public bool NeedsAll { get; init; }

        /// <summary>What it takes while it waits.</summary>
        public long Size => entries.Sum(entry => SizeOf(entry.KeyBytes, entry.Value)) + (Comparand?.Length ?? 0);
    }
}
