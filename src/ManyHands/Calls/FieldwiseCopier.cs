using System.Collections;
using System.Reflection;
using System.Runtime.CompilerServices;
using ManyHands.Platform;
using ManyHands.Serialization;

namespace ManyHands.Calls;

/// <summary>
/// Copies captured variables, and the object whose method is called, field by field, private ones included: the function finds exactly
/// the state it was written against. Each field's value goes through the codec of the field's type.
/// </summary>
internal sealed class FieldwiseCopier
{
    private const int DeepestNesting = 32;
    private readonly Type type;
    private readonly CapturedField[] fields;

    /// <param name="type">The holder of captured variables, or the object's own class.</param>
    /// <param name="used">The captured fields that the function uses, by metadata token; null for all.</param>
    /// <param name="thisType">The class that a captured <c>this</c> really is; null if none is captured.</param>
    public FieldwiseCopier(Type type, IReadOnlySet<int>? used, Type? thisType)
    {
        this.type = type;
        List<CapturedField> found = [];
        for (Type? level = type; level is not null && level != typeof(object) && !StopsAt(level); level = level.BaseType)
        {
            bool isHolder = UsedCaptures.IsHolder(level);
            foreach (FieldInfo field in level.GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly))
            {
                if (isHolder && (used?.Contains(field.MetadataToken) == false || CapturedThis.IsCachedDelegate(field)))
                    continue;
                found.Add(new CapturedField(field, used, thisType));
            }
        }

        fields = [.. found];
    }

    private enum Presence : byte
    {
        Null = 0,
        Value = 1,

        /// <summary>The <c>this</c> that came before, captured a second time.</summary>
        SameThis = 2,
    }

    public bool IsEmpty => fields.Length == 0;

    /// <summary>The compiler's holders of captured variables, and plain classes of the user's own.</summary>
    public static bool Applies(Type type) =>
        UsedCaptures.IsHolder(type)
        || (type.IsClass && !type.IsArray && type != typeof(string)
            && !typeof(IEnumerable).IsAssignableFrom(type)
            && !typeof(Delegate).IsAssignableFrom(type)
            && !FrameworkAssemblies.Has(type.Assembly));

    public void Write(PayloadWriter writer, object target)
    {
        object? capturedThis = null;
        Write(writer, target, ref capturedThis, depth: 0);
    }

    public object Read(ref PayloadReader reader)
    {
        object? capturedThis = null;
        return Read(ref reader, ref capturedThis);
    }

    // The library's own part of a worker that a user derives from stays on its side.
    private static bool StopsAt(Type level) => level.IsDefined(typeof(StaysBehindAttribute), inherit: false);

    private void Write(PayloadWriter writer, object target, ref object? capturedThis, int depth)
    {
        if (depth > DeepestNesting)
            throw new UnsendableValueException($"captured variables are nested deeper than {DeepestNesting} levels; pass what the function needs as arguments.");
        foreach (CapturedField field in fields)
        {
            object? value = field.Info.GetValue(target);
            if (field.IsHolder)
            {
                writer.WriteByte((byte)(value is null ? Presence.Null : Presence.Value));
                if (value is not null)
                    field.Holder.Write(writer, value, ref capturedThis, depth + 1);
                continue;
            }

            try
            {
                if (field.IsThis)
                    field.WriteThis(writer, value, ref capturedThis);
                else
                    field.Codec.WriteObject(writer, value);
            }
            catch (UnsendableValueException reason)
            {
                // What it says of a field of 'this' needs no more.
                if (field.IsThis && field.ThisForm is { IsFields: true })
                    throw;
                string owner = UsedCaptures.IsHolder(type) ? "The captured variable" : $"The function uses 'this' ({TypeNames.Of(type)}), whose field";
                throw new UnsendableValueException(
                    $"{owner} '{field.Name}' ({TypeNames.Of(field.IsThis && value is not null ? value.GetType() : field.Info.FieldType)}) can't travel to another process: {ExceptionText.MessageOf(reason)}", reason);
            }
        }
    }

    private object Read(ref PayloadReader reader, ref object? capturedThis)
    {
        object target = RuntimeHelpers.GetUninitializedObject(type);
        foreach (CapturedField field in fields)
        {
            field.Info.SetValue(target, field switch
            {
                { IsThis: true } => field.ReadThis(ref reader, ref capturedThis),
                { IsHolder: true } => (Presence)reader.ReadByte() == Presence.Null ? null : field.Holder.Read(ref reader, ref capturedThis),
                _ => field.Codec.ReadObject(ref reader),
            });
        }

        return target;
    }

    private sealed class CapturedField
    {
        private readonly IReadOnlySet<int>? used;
        private readonly Type? thisType;
        private Codec? codec;
        private FieldwiseCopier? holder;
        private ObjectForm? thisForm;

        public CapturedField(FieldInfo info, IReadOnlySet<int>? used, Type? thisType)
        {
            Info = info;
            this.used = used;
            this.thisType = thisType;

            // Lambdas in nested blocks hold the outer block's variables; a lambda in a method may hold the method's object.
            IsThis = CapturedThis.IsIn(info);
            IsHolder = !IsThis && UsedCaptures.IsHolder(info.FieldType);
            Name = IsThis ? "this" : ReadableName(info.Name);
        }

        public FieldInfo Info { get; }

        public bool IsHolder { get; }

        public bool IsThis { get; }

        public string Name { get; }

        // Made when first needed, with all they need in turn.
        public FieldwiseCopier Holder => holder ??= new FieldwiseCopier(Info.FieldType, used, thisType);

        public ObjectForm? ThisForm => thisForm ??= thisType is null ? null : ObjectForm.Of(thisType, used: null, thisType: null);

        public Codec Codec => codec ??= Codec.For(Info.FieldType);

        public void WriteThis(PayloadWriter writer, object? value, ref object? capturedThis)
        {
            Presence presence = value is null ? Presence.Null : ReferenceEquals(value, capturedThis) ? Presence.SameThis : Presence.Value;
            writer.WriteByte((byte)presence);
            if (presence != Presence.Value)
                return;
            if (capturedThis is not null || value!.GetType() != thisType)
                throw new UnsendableValueException("the function holds several objects as 'this'; pass what it needs as arguments.");
            capturedThis = value;
            ThisForm!.Write(writer, value);
        }

        public object? ReadThis(ref PayloadReader reader, ref object? capturedThis) => (Presence)reader.ReadByte() switch
        {
            Presence.Null => null,
            Presence.SameThis => capturedThis,
            Presence.Value when ThisForm is { } form => capturedThis = form.Read(ref reader),
            _ => throw new InvalidPayloadException("A captured 'this' of a function that has none."),
        };

        // <Name>k__BackingField, and <name>P for the parameters of a primary constructor.
        private static string ReadableName(string name)
        {
            int end = name.IndexOf('>', StringComparison.Ordinal);
            return name.StartsWith('<') && end > 1 ? name[1..end] : name;
        }
    }
}

/// <summary>Marks a base class whose fields belong to this process and don't travel with objects of derived classes.</summary>
[AttributeUsage(AttributeTargets.Class, Inherited = false)]
internal sealed class StaysBehindAttribute : Attribute;
