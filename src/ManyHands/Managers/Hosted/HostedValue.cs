using ManyHands.Serialization;

namespace ManyHands.Managers;

/// <summary>A value that a manager has.</summary>
internal sealed class HostedValue : HostedObject
{
    private readonly StoredBytes bytes;
    private byte[] value;

    public HostedValue(string name, string typeName, byte[] initial, StoredBytes bytes)
        : base(name, ObjectKind.Value, typeName)
    {
        this.bytes = bytes;
        value = initial;
        bytes.Take(initial.Length);
    }

    public override long Count => 1;

    public override int Waiting => 0;

    public override void Handle(HostedRequest request, ref PayloadReader body)
    {
        switch (request.Operation)
        {
            case Operation.Read:
                lock (Gate)
                    Answer(request, value);
                break;
            case Operation.Exchange:
                Exchange(request, ReadBlock(ref body), null);
                break;
            case Operation.CompareExchange:
                byte[] changed = ReadBlock(ref body);
                Exchange(request, changed, ReadBlock(ref body));
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

    /// <summary>It is not needed any more, and takes no room.</summary>
    public void Free()
    {
        lock (Gate)
        {
            bytes.Free(value.Length);
            value = [];
        }
    }

    private static void Answer(HostedRequest request, byte[] block) => request.Answer(BitConverter.GetBytes(block.Length), block);

    private void Exchange(HostedRequest request, byte[] changed, byte[]? comparand)
    {
        lock (Gate)
        {
            byte[] before = value;
            if (comparand is null || before.AsSpan().SequenceEqual(comparand))
            {
                long more = changed.Length - before.Length;
                if (more > 0 && !bytes.TryTake(more))
                {
                    request.Refuse(FailureKind.Quota, bytes.Full(Name));
                    return;
                }

                if (more < 0)
                    bytes.Free(-more);
                value = changed;
            }

            Answer(request, before);
        }
    }
}
