using ManyHands.Serialization;

namespace ManyHands.Managers;

/// <summary>A list that a manager has.</summary>
internal sealed class HostedList(string name, string typeName, StoredBytes bytes) : HostedObject(name, ObjectKind.List, typeName)
{
    /// <summary>Beyond that an answer gets no more items.</summary>
    private const int RangeBytes = 256 * 1024;

    private List<byte[]> items = [];

    public override long Count
    {
        get
        {
            lock (Gate)
                return items.Count;
        }
    }

    public override int Waiting => 0;

    /// <summary>All there is at this moment. The arrays are not changed any more.</summary>
    public byte[][] Snapshot()
    {
        lock (Gate)
            return [.. items];
    }

    /// <summary>Reads what there is at this moment.</summary>
    public TResult Look<TResult>(Func<IReadOnlyList<byte[]>, TResult> look)
    {
        lock (Gate)
            return look(items);
    }

    /// <summary>Puts items in the place of others, in one go.</summary>
    /// <param name="where">Gets all items and says which go, from where and how many.</param>
    /// <param name="put">What comes there.</param>
    /// <returns>Null; or why there is no room for it.</returns>
    public string? Splice(Func<IReadOnlyList<byte[]>, (int Start, int Count)> where, IReadOnlyCollection<byte[]> put)
    {
        lock (Gate)
        {
            (int start, int count) = where(items);
            long more = Size(put) - Size(items.Skip(start).Take(count));
            if (more > 0 && !bytes.TryTake(more))
                return bytes.Full(Name);
            if (more < 0)
                bytes.Free(-more);
            items.RemoveRange(start, count);
            items.InsertRange(start, put);
            return null;
        }
    }

    /// <summary>Does what no operation does, in one go.</summary>
    /// <param name="change">Gets all items and returns what is to be there instead; null to leave them.</param>
    /// <returns>Null; or why there is no room for it.</returns>
    public string? Change(Func<IReadOnlyList<byte[]>, List<byte[]>?> change)
    {
        lock (Gate)
        {
            if (change(items) is not { } changed)
                return null;
            long more = Size(changed) - Size(items);
            if (more > 0 && !bytes.TryTake(more))
                return bytes.Full(Name);
            if (more < 0)
                bytes.Free(-more);
            items = changed;
            return null;
        }
    }

    public override void Handle(HostedRequest request, ref PayloadReader body)
    {
        switch (request.Operation)
        {
            case Operation.Append:
                Insert(request, null, ReadBlock(ref body));
                break;
            case Operation.InsertAt:
                long place = body.ReadUnmanaged<long>();
                Insert(request, place, ReadBlock(ref body));
                break;
            case Operation.GetAt:
                GetAt(request, body.ReadUnmanaged<long>());
                break;
            case Operation.SetAt:
                long index = body.ReadUnmanaged<long>();
                SetAt(request, index, ReadBlock(ref body));
                break;
            case Operation.RemoveAt:
                RemoveAt(request, body.ReadUnmanaged<long>());
                break;
            case Operation.Range:
                long first = body.ReadUnmanaged<long>();
                AnswerRange(request, first, body.ReadUnmanaged<int>());
                break;
            case Operation.Count:
                lock (Gate)
                    AnswerLong(request, items.Count);
                break;
            case Operation.Clear:
                lock (Gate)
                {
                    bytes.Free(Size(items));
                    items = [];
                    request.Answer();
                }

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

    private static long Size(IEnumerable<byte[]> blocks) => blocks.Sum(StoredBytes.SizeOf);

    private void Insert(HostedRequest request, long? place, byte[] value)
    {
        lock (Gate)
        {
            long index = place ?? items.Count;
            if (index < 0 || index > items.Count)
            {
                OutOfRange(request, index);
            }
            else if (!bytes.TryTake(StoredBytes.SizeOf(value)))
            {
                request.Refuse(FailureKind.Quota, bytes.Full(Name));
            }
            else
            {
                items.Insert((int)index, value);
                if (place is null)
                    AnswerLong(request, index);
                else
                    request.Answer();
            }
        }
    }

    private void GetAt(HostedRequest request, long index)
    {
        lock (Gate)
        {
            if (IsThere(request, index))
                AnswerBlock(request, items[(int)index]);
        }
    }

    private void SetAt(HostedRequest request, long index, byte[] value)
    {
        lock (Gate)
        {
            if (!IsThere(request, index))
                return;
            long more = value.Length - items[(int)index].Length;
            if (more > 0 && !bytes.TryTake(more))
            {
                request.Refuse(FailureKind.Quota, bytes.Full(Name));
                return;
            }

            if (more < 0)
                bytes.Free(-more);
            items[(int)index] = value;
            request.Answer();
        }
    }

    private void RemoveAt(HostedRequest request, long index)
    {
        lock (Gate)
        {
            if (!IsThere(request, index))
                return;
            byte[] value = items[(int)index];
            items.RemoveAt((int)index);
            bytes.Free(StoredBytes.SizeOf(value));
            AnswerBlock(request, value);
        }
    }

    private void AnswerRange(HostedRequest request, long first, int most)
    {
        using PayloadWriter writer = new();
        lock (Gate)
        {
            if (first < 0 || first > items.Count)
            {
                OutOfRange(request, first);
                return;
            }

            writer.WriteUnmanaged((long)items.Count);
            writer.WriteUnmanaged(0);
            int count = 0;
            for (int i = (int)first; i < items.Count && count < most && (count == 0 || writer.Length + items[i].Length <= RangeBytes); i++)
            {
                WriteBlock(writer, items[i]);
                count++;
            }

            writer.PatchInt32(sizeof(long), count);
            request.Answer(writer.WrittenSpan);
        }
    }

    private static void AnswerBlock(HostedRequest request, byte[] block) => request.Answer(BitConverter.GetBytes(block.Length), block);

    private bool IsThere(HostedRequest request, long index)
    {
        if (index >= 0 && index < items.Count)
            return true;
        OutOfRange(request, index);
        return false;
    }

    private void OutOfRange(HostedRequest request, long index) =>
        request.Refuse(FailureKind.OutOfRange, items.Count == 0 ? $"'{Name}' is empty, and has nothing at the index {index}." : $"'{Name}' has the indexes 0 to {items.Count - 1}, and not {index}.");
}
