using System.Text;
using ManyHands.Calls;
using ManyHands.Platform;
using ManyHands.Serialization;

namespace ManyHands.Managers;

/// <summary>What a manager's refusals are for the caller.</summary>
internal static class Failures
{
    public static Exception Read(ReadOnlyMemory<byte> body)
    {
        try
        {
            PayloadReader reader = new(body);
            FailureKind kind = (FailureKind)reader.ReadByte();
            return kind == FailureKind.Thrown ? RemoteFailure.Read(ref reader) : ToException(kind, Encoding.UTF8.GetString(reader.ReadBytes(reader.Remaining)));
        }
        catch (InvalidPayloadException damage)
        {
            return new ManagerException(ManagerError.BadRequest, $"The manager refused, and why can't be read: {ExceptionText.MessageOf(damage)}", damage);
        }
    }

    public static Exception ToException(FailureKind kind, string message) => kind switch
    {
        FailureKind.NotFound => new ManagerException(ManagerError.NotFound, message),
        FailureKind.OtherType => new ManagerException(ManagerError.OtherType, message),
        FailureKind.Canceled => new OperationCanceledException(message),
        FailureKind.Completed => new QueueCompletedException(message),
        FailureKind.Quota => new ManagerException(ManagerError.Quota, message),
        FailureKind.NotHeld => new SynchronizationLockException(message),
        FailureKind.Broken => new BrokenBarrierException(message),
        FailureKind.NotStored => new ManagerException(ManagerError.NotStored, message),
        FailureKind.OutOfRange => new ArgumentOutOfRangeException(null, message),
        FailureKind.UnsendableResult => new UnsendableCallException(message),
        FailureKind.Failed => new ManagerException(ManagerError.Failed, message),
        FailureKind.Gone => new ManagerException(ManagerError.Gone, message),
        _ => new ManagerException(ManagerError.BadRequest, message),
    };
}
