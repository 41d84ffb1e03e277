using System.Buffers.Binary;
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
            bytes.Take(key.Length + value.Length);
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

    public override int Waiting => 0;

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
            case Operation.Get:
                Get(request, KeyOf(ReadBlock(ref body)));
                break;
            case Operation.Put:
                Put(request, ReadEntries(ref body, 1));
                break;
            case Operation.PutAll:
                Put(request, ReadEntries(ref body, body.ReadCount(2 * sizeof(int))));
                break;
            case Operation.Add:
                byte[] added = ReadBlock(ref body);
                Add(request, added, ReadBlock(ref body));
                break;
            case Operation.Remove:
                Remove(request, KeyOf(ReadBlock(ref body)));
                break;
            case Operation.RemoveLast:
                RemoveLast(request);
                break;
            case Operation.ReplaceIf:
                PythonKey replaced = KeyOf(ReadBlock(ref body));
                byte[] value = ReadBlock(ref body);
                ReplaceIf(request, replaced, value, ReadBlock(ref body));
                break;
            case Operation.Count:
                lock (Gate)
                    AnswerLong(request, entries.Count);
                break;
            case Operation.Clear:
                Clear(request);
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
            throw new InvalidPayloadException($"The key can't be read: {damage.Message}", damage);
        }

        return PythonEquality.RefusalAsKey(value) is { } refusal ? throw new InvalidPayloadException($"The key is refused: {refusal}.") : new(value);
    }

    private (PythonKey Key, byte[] KeyBytes, byte[] Value)[] ReadEntries(ref PayloadReader body, int count)
    {
        (PythonKey Key, byte[] KeyBytes, byte[] Value)[] read = new (PythonKey, byte[], byte[])[count];
        foreach (ref (PythonKey Key, byte[] KeyBytes, byte[] Value) entry in read.AsSpan())
        {
            entry.KeyBytes = ReadBlock(ref body);
            entry.Key = KeyOf(entry.KeyBytes);
            entry.Value = ReadBlock(ref body);
        }

        return read;
    }

    private void Get(HostedRequest request, PythonKey key)
    {
        lock (Gate)
            AnswerBlock(request, entries.GetValueOrDefault(key)?.Value);
    }

    // Under one turn of the gate. Those before the one that there is no room for are in.
    private void Put(HostedRequest request, (PythonKey Key, byte[] KeyBytes, byte[] Value)[] added)
    {
        lock (Gate)
        {
            for (int i = 0; i < added.Length; i++)
            {
                if (Set(added[i].Key, added[i].KeyBytes, added[i].Value) is not { } entry)
                {
                    request.Refuse(FailureKind.Quota, bytes.Full(Name));
                    return;
                }

                StorageChange change = storage.Change(StorageChangeKind.EntrySet, key: entry.KeyBytes, value: entry.Value);
                if (i == added.Length - 1)
                    storage.WriteThen(change, request, () => request.Answer());
                else
                    storage.Write(change);
            }

            if (added.Length == 0)
                request.Answer();
        }
    }

    private void Add(HostedRequest request, byte[] keyBytes, byte[] value)
    {
        PythonKey key = KeyOf(keyBytes);
        lock (Gate)
        {
            if (entries.TryGetValue(key, out DictionaryEntry? there))
            {
                Span<byte> head = stackalloc byte[1 + sizeof(int)];
                head[0] = 0;
                BinaryPrimitives.WriteInt32LittleEndian(head[1..], there.Value.Length);
                request.Answer(head, there.Value);
            }
            else if (Set(key, keyBytes, value) is null)
            {
                request.Refuse(FailureKind.Quota, bytes.Full(Name));
            }
            else
            {
                storage.WriteThen(storage.Change(StorageChangeKind.EntrySet, key: keyBytes, value: value), request, () => AnswerBool(request, true));
            }
        }
    }

    private void Remove(HostedRequest request, PythonKey key)
    {
        lock (Gate)
        {
            if (!entries.TryGetValue(key, out DictionaryEntry? entry))
            {
                AnswerBool(request, false);
                return;
            }

            if (!CanTake(request, entry))
                return;
            entries.Remove(key);
            Forget(entry);
            storage.WriteThen(storage.Change(StorageChangeKind.EntryRemoved, key: entry.KeyBytes), request, () => AnswerBlock(request, entry.Value));
        }
    }

    private void RemoveLast(HostedRequest request)
    {
        lock (Gate)
        {
            if (entries.Count == 0)
            {
                AnswerBool(request, false);
                return;
            }

            DictionaryEntry entry = order.FindLast(one => !one.IsGone)!;
            if (!CanTake(request, entry))
                return;
            entries.Remove(entry.Key);
            Forget(entry);
            storage.WriteThen(storage.Change(StorageChangeKind.EntryRemoved, key: entry.KeyBytes), request, () =>
            {
                using PayloadWriter writer = new(entry.KeyBytes.Length + entry.Value.Length + 16);
                writer.WriteByte(1);
                WriteBlock(writer, entry.KeyBytes);
                WriteBlock(writer, entry.Value);
                request.Answer(writer.WrittenSpan);
            });
        }
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

    private void ReplaceIf(HostedRequest request, PythonKey key, byte[] value, byte[] comparand)
    {
        lock (Gate)
        {
            DictionaryEntry? there = entries.GetValueOrDefault(key);
            if (there is null || !there.Value.AsSpan().SequenceEqual(comparand))
            {
                using PayloadWriter writer = new((there?.Value.Length ?? 0) + 8);
                writer.WriteByte(0);
                writer.WriteByte(there is null ? (byte)0 : (byte)1);
                if (there is not null)
                    WriteBlock(writer, there.Value);
                request.Answer(writer.WrittenSpan);
            }
            else if (Set(key, there.KeyBytes, value) is null)
            {
                request.Refuse(FailureKind.Quota, bytes.Full(Name));
            }
            else
            {
                storage.WriteThen(storage.Change(StorageChangeKind.EntrySet, key: there.KeyBytes, value: value), request, () => AnswerBool(request, true));
            }
        }
    }

    private void Clear(HostedRequest request)
    {
        lock (Gate)
        {
            bytes.Free(entries.Values.Sum(entry => (long)entry.KeyBytes.Length + entry.Value.Length));
            entries.Clear();
            order.Clear();
            storage.WriteThen(storage.Change(StorageChangeKind.Cleared), request, () => request.Answer());
        }
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

    // Null if there is no room for it.
    private DictionaryEntry? Set(PythonKey key, byte[] keyBytes, byte[] value)
    {
        entries.TryGetValue(key, out DictionaryEntry? there);
        long more = value.Length - (there is null ? -keyBytes.Length : there.Value.Length);
        if (more > 0 && !bytes.TryTake(more))
            return null;
        if (more < 0)
            bytes.Free(-more);
        if (there is null)
            return Insert(key, keyBytes, value);
        there.Value = value;
        return there;
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
        bytes.Free(entry.KeyBytes.Length + entry.Value.Length);
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
}
