using System.Collections;
using System.Reflection;
using System.Runtime.CompilerServices;
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
    public FieldwiseCopier(Type type, IReadOnlySet<int>? used)
    {
        this.type = type;
        List<CapturedField> found = [];
        for (Type? level = type; level is not null && level != typeof(object) && !StopsAt(level); level = level.BaseType)
        {
            foreach (FieldInfo field in level.GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly))
            {
                if (used is null || !UsedCaptures.IsHolder(level) || used.Contains(field.MetadataToken))
                    found.Add(new CapturedField(field, used));
            }
        }

        fields = [.. found];
    }

    public bool IsEmpty => fields.Length == 0;

    /// <summary>The compiler's holders of captured variables, and plain classes of the user's own.</summary>
    public static bool Applies(Type type) =>
        UsedCaptures.IsHolder(type)
        || (type.IsClass && !type.IsArray && type != typeof(string)
            && !typeof(IEnumerable).IsAssignableFrom(type)
            && !typeof(Delegate).IsAssignableFrom(type)
            && !IsFramework(type));

    public void Write(PayloadWriter writer, object target) => Write(writer, target, depth: 0);

    public object Read(ref PayloadReader reader)
    {
        object target = RuntimeHelpers.GetUninitializedObject(type);
        foreach (CapturedField field in fields)
            field.Info.SetValue(target, field.IsHolder ? ReadHolder(field, ref reader) : field.Codec.ReadObject(ref reader));
        return target;
    }

    private static object? ReadHolder(CapturedField field, ref PayloadReader reader) =>
        reader.ReadByte() == 0 ? null : field.Holder.Read(ref reader);

    // The library's own part of a worker that a user derives from stays on its side.
    private static bool StopsAt(Type level) => level.IsDefined(typeof(StaysBehindAttribute), inherit: false);

    private static bool IsFramework(Type type) =>
        type.Assembly == typeof(object).Assembly
        || type.Assembly.GetName().Name is { } name && (name.StartsWith("System.", StringComparison.Ordinal) || name.StartsWith("Microsoft.", StringComparison.Ordinal));

    private void Write(PayloadWriter writer, object target, int depth)
    {
        if (depth > DeepestNesting)
            throw new UnsendableValueException($"captured variables are nested deeper than {DeepestNesting} levels; pass what the function needs as arguments.");
        foreach (CapturedField field in fields)
        {
            object? value = field.Info.GetValue(target);
            if (field.IsHolder)
            {
                writer.WriteByte(value is null ? (byte)0 : (byte)1);
                if (value is not null)
                    field.Holder.Write(writer, value, depth + 1);
                continue;
            }

            try
            {
                field.Codec.WriteObject(writer, value);
            }
            catch (UnsendableValueException reason)
            {
                string owner = UsedCaptures.IsHolder(type) ? "The captured variable" : $"The function uses 'this' ({TypeNames.Of(type)}), whose field";
                throw new UnsendableValueException(
                    $"{owner} '{field.Name}' ({TypeNames.Of(field.Info.FieldType)}) can't travel to another process: {reason.Message}", reason);
            }
        }
    }

    private sealed class CapturedField
    {
        private readonly IReadOnlySet<int>? used;
        private Codec? codec;
        private FieldwiseCopier? holder;

        public CapturedField(FieldInfo info, IReadOnlySet<int>? used)
        {
            Info = info;
            this.used = used;

            // Lambdas in nested blocks hold the outer block's variables; a lambda in a method may hold the method's object.
            bool isThis = info.Name.EndsWith("__this", StringComparison.Ordinal) && Applies(info.FieldType);
            IsHolder = UsedCaptures.IsHolder(info.FieldType) || isThis;
            Name = isThis ? "this" : ReadableName(info.Name);
        }

        public FieldInfo Info { get; }

        public bool IsHolder { get; }

        public string Name { get; }

        // Made when first needed: a class may hold its own kind.
        public FieldwiseCopier Holder => holder ??= new FieldwiseCopier(Info.FieldType, used);

        public Codec Codec => codec ??= Codec.For(Info.FieldType);

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
